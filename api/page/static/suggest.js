// Suggestions under the search box: a combobox after the ARIA pattern. Without this script the box still searches.
const input = document.getElementById("q");
const offers = document.createElement("ul");
offers.className = "offers";
offers.id = "offers";
offers.setAttribute("role", "listbox");
offers.setAttribute("aria-label", "Suggestions");
offers.hidden = true;
input.after(offers);
for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": "offers", "aria-expanded": "false", "aria-autocomplete": "list" }))
  input.setAttribute(name, value);

const PAUSE_MS = 120;
let asking = null;
let waiting = 0;
let at = -1;

function close() {
  offers.hidden = true;
  at = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function offer(found) {
  offers.replaceChildren(...found.map((one, index) => {
    const row = document.createElement("li");
    const type = document.createElement("span");
    row.id = `offer-${index}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    const picked = one.type === input.dataset.itemType ? { item: one.id } : { node: `${one.type}:${one.id}` };
    row.dataset.address = `/?${new URLSearchParams(picked)}`;
    row.textContent = one.text;
    row.dir = "auto";
    type.className = "sub";
    type.textContent = one.type;
    row.append(type);
    row.addEventListener("pointerdown", (event) => { event.preventDefault(); open(row); });
    return row;
  }));
  at = -1;
  input.removeAttribute("aria-activedescendant");
  offers.hidden = found.length === 0;
  input.setAttribute("aria-expanded", String(found.length > 0));
}

function open(row) {
  location.assign(row.dataset.address);
}

function move(by) {
  const rows = [...offers.children];
  if (!rows.length) return;
  clearTimeout(waiting);  // what comes late must not take away what somebody is choosing from
  asking?.abort();
  at = (at + by + rows.length) % rows.length;
  rows.forEach((row, index) => row.setAttribute("aria-selected", String(index === at)));
  input.setAttribute("aria-activedescendant", rows[at].id);
}

async function suggest() {
  asking?.abort();
  const typed = input.value.trim();
  if (!typed) return close();
  asking = new AbortController();
  try {
    const reply = await fetch(`/v1/suggest?${new URLSearchParams({ q: typed, n: "8" })}`, { signal: asking.signal });
    if (reply.ok) offer((await reply.json()).suggestions);
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

input.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(suggest, PAUSE_MS);
});
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && at >= 0 && !offers.hidden) {
    event.preventDefault();
    open(offers.children[at]);
  } else if (event.key === "Escape") close();
});
input.addEventListener("blur", close);
