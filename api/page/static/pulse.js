// The strip at the top, asked again while the page is looked at.
const EVERY_MS = 5000;
const place = (name) => document.querySelector(`[data-pulse="${name}"]`);

function show(name, text) {
  const found = place(name);
  if (found) found.textContent = text;
}

function say(text, good) {
  const status = place("stale");
  status.textContent = text;
  status.className = good ? "good" : "bad";
}

async function beat() {
  if (document.hidden) return;
  try {
    const reply = await fetch("/page/pulse");
    if (!reply.ok) throw new Error(reply.statusText);
    const { release, watermark, stale, figures } = await reply.json();
    say(release === null ? "not ready" : stale ? "stale" : "fresh", release !== null && !stale);
    if (release !== null) show("release", release);
    if (watermark !== null) show("watermark", watermark);
    show("events_per_s", figures.events_per_s);
    show("answers_per_s", figures.answers_per_s);
    show("p99_ms", figures.p99_ms === null ? "–" : `≤ ${figures.p99_ms} ms`);
  } catch {
    say("no answer", false);
  }
}

setInterval(beat, EVERY_MS);
