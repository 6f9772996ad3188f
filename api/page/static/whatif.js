// What if an edge were gone, or there: edits are collected here, asked of POST /v1/what-if, and never written.
const panel = document.getElementById("why");
const FAR_PX = 40;

if (panel) {
  const edits = new Map();
  const list = panel.querySelector(".edits");
  const outcome = panel.querySelector(".outcome");
  const keyOf = (edit) => JSON.stringify([edit.do, edit.edge, edit.from, edit.to]);
  const sameEdit = (element) => keyOf(JSON.parse(element.dataset.edit));
  let asked = 0;

  const element = (name, className, ...content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...content);
    return made;
  };

  function toggle(edit, words) {
    const key = keyOf(edit);
    if (edits.has(key)) edits.delete(key);
    else edits.set(key, { edit, words });
    draw();
    ask();
  }

  function draw() {
    for (const line of panel.querySelectorAll(".line[data-edit]")) line.classList.toggle("gone", edits.has(sameEdit(line)));
    for (const button of panel.querySelectorAll(".cut")) button.setAttribute("aria-pressed", String(edits.has(sameEdit(button))));
    list.replaceChildren(...[...edits.values()].map(({ edit, words }) => {
      const undo = element("button", "", "Undo");
      undo.type = "button";
      undo.setAttribute("aria-label", `Undo: ${words}`);
      undo.addEventListener("click", () => toggle(edit, words));
      return element("li", "", words, undo);
    }));
  }

  async function ask() {
    const turn = ++asked;
    if (!edits.size) return outcome.replaceChildren();
    outcome.setAttribute("aria-busy", "true");
    let shown;
    try {
      const body = { edits: [...edits.values()].map(({ edit }) => edit), request: JSON.parse(panel.dataset.request) };
      const reply = await fetch("/v1/what-if", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      const said = await reply.json();
      shown = reply.ok ? compared(said) : [element("p", "warn", said.detail ?? said.title)];
    } catch {
      shown = [element("p", "warn", "The server did not answer.")];
    }
    if (turn !== asked) return;
    outcome.removeAttribute("aria-busy");
    outcome.replaceChildren(...shown);
  }

  function compared({ before, after, moved, paths, took_ms }) {
    const moves = new Map(moved.map((move) => [move.item_id, move]));
    const gone = paths.filter((path) => path.change === "gone").length;
    const fresh = paths.length - gone;
    const words = moved.length || paths.length
      ? `${moved.length} places changed, ${gone} paths gone, ${fresh} new; asked twice in ${Math.round(took_ms)} ms.`
      : "The list stays as it is: it does not rest on this edge.";
    const columns = element("div", "columns",
      column("Before", before.items, (item) => mark(moves.get(item.item_id), true)),
      column("After", after.items, (item) => mark(moves.get(item.item_id), false)));
    return [element("p", "hint", words), columns];
  }

  function column(heading, items, marked) {
    const rows = items.map((item) => {
      const [text, className] = marked(item);
      const name = element("span", "", titleOf(item));
      name.dir = "auto";
      return element("li", text ? "moved" : "", element("span", "rank", String(item.rank)), name, element("span", `move ${className}`, text));
    });
    return element("div", "", element("h4", "", heading), element("ol", "", ...rows));
  }

  function mark(move, before) {
    if (!move) return ["", ""];
    if (move.after === null) return before ? ["out", "down"] : ["", ""];
    if (move.before === null) return before ? ["", ""] : ["new", "up"];
    if (before) return ["", ""];
    const by = move.before - move.after;
    return by > 0 ? [`▲ ${by}`, "up"] : [`▼ ${-by}`, "down"];
  }

  const titleOf = (item) => String(item.properties?.[panel.dataset.titleProperty] ?? item.item_id);

  for (const button of panel.querySelectorAll(".cut")) {
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const edit = JSON.parse(button.dataset.edit);
      toggle(edit, `${edit.do === "add_edge" ? "with" : "without"} ${button.dataset.words}`);
    });
  }

  for (const line of panel.querySelectorAll(".line[data-edit]")) {
    const wordsOf = () => [...panel.querySelectorAll(".cut")].find((button) => sameEdit(button) === sameEdit(line))?.dataset.words ?? "this edge";
    line.addEventListener("pointerdown", (down) => {
      line.setPointerCapture(down.pointerId);
      const follow = (event) => line.setAttribute("transform", `translate(${event.clientX - down.clientX} ${event.clientY - down.clientY})`);
      const drop = (event) => {
        line.removeEventListener("pointermove", follow);
        line.removeAttribute("transform");
        const far = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) >= FAR_PX;
        if (event.type === "pointerup" && far !== edits.has(sameEdit(line))) toggle(JSON.parse(line.dataset.edit), `without ${wordsOf()}`);
      };
      line.addEventListener("pointermove", follow);
      line.addEventListener("pointerup", drop, { once: true });
      line.addEventListener("pointercancel", drop, { once: true });
    });
  }

  const form = panel.querySelector(".add");
  if (form) {
    const choices = form.querySelector("datalist");
    const target = form.elements.target;
    const chosen = () => JSON.parse(form.elements.relation.value);
    const offer = () => {
      const type = chosen()[1];
      const template = [...panel.querySelectorAll("template")].find((one) => one.dataset.choices === type);
      target.placeholder = `${type} id`;
      choices.replaceChildren(...(template ? [template.content.cloneNode(true)] : []));
    };
    form.elements.relation.addEventListener("change", offer);
    offer();
    target.addEventListener("input", async () => {
      const [, type] = chosen();
      if (!target.value.trim() || panel.querySelector(`template[data-choices="${CSS.escape(type)}"]`)) return;
      const reply = await fetch(`/v1/suggest?${new URLSearchParams({ q: target.value, n: "20" })}`);
      if (!reply.ok) return;
      const { suggestions } = await reply.json();
      choices.replaceChildren(...suggestions.filter((one) => one.type === type).map((one) => new Option(one.text, one.id)));
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [edge, type] = chosen();
      const from = JSON.parse(form.dataset.subject);
      const to = [type, target.value.trim()];
      toggle({ do: "add_edge", edge, from, to }, `with ${edge.toLowerCase().replaceAll("_", " ")}: ${to[1]}`);
      target.value = "";
    });
  }
}
