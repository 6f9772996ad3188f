/** Against a running server: `KINDRED_URL` names it, `KINDRED_KNOWN` an item and a user it has. */

import assert from "node:assert/strict";
import test from "node:test";

import { ApiProblem, Kindred, read, Unreachable } from "../src/index.ts";

const url = process.env["KINDRED_URL"];
assert.ok(url, "KINDRED_URL names the server");
const known = JSON.parse(process.env["KINDRED_KNOWN"] ?? "{}") as { item: string; title: string; type: string; user: string };
const apiKey = process.env["KINDRED_API_KEY"];
const quick = { attempts: 4, firstMs: 1, longestMs: 50 };
const shop = new Kindred(url, { retries: quick, ...(apiKey === undefined ? {} : { apiKey }) });

test("related items carry reasons and properties, typed", async () => {
  const answer = await shop.related(known.item, { kind: "similar", n: 3, include: ["reasons", "properties"] });
  assert.deepEqual(answer.items.map((item) => item.rank), [1, 2, 3]);
  const reason = answer.items.flatMap((item) => item.reasons ?? [])[0];
  assert.ok(reason && reason.text.length > 0 && reason.path.length >= 1);
  assert.ok(answer.items.every((item) => typeof item.properties?.["title"] === "string"));
});

test("an event counts in the next recommendation, and its repetition does not", async () => {
  const event = { user_id: `typescript-${crypto.randomUUID()}`, item_id: known.item, kind: "purchase" };
  const newcomer = await shop.recommendations(event.user_id, { n: 3 });
  assert.notEqual(newcomer.fallback_used, null);
  const done = await shop.postEvents(event);
  assert.equal(done.accepted, 1);
  const again = await shop.postEvents({ ...event, event_id: done.event_ids[0] ?? null });
  assert.deepEqual([again.accepted, again.duplicates], [0, 1]);
  const answer = await shop.recommendations(event.user_id, { n: 3, include: ["reasons"] });
  assert.ok(answer.items.length > 0 && answer.items.every((item) => item.item_id !== known.item));
  assert.notDeepEqual(answer.items.map((item) => item.item_id), newcomer.items.map((item) => item.item_id));
});

test("a session, search, suggestions, explanations and what-if", async () => {
  const session = await shop.recommend({ events: [{ item_id: known.item }], n: 2, include: ["score"] });
  assert.equal(session.items.length, 2);
  assert.equal((await shop.search(known.title, { n: 1 })).items[0]?.item_id, known.item);
  assert.ok((await shop.suggest(known.title.slice(0, 3))).suggestions.length > 0);
  assert.equal((await shop.explain(known.item, known.user)).item_id, known.item);
  const imagined = await shop.whatIf({
    edits: [{ do: "remove_node", node: [known.type, session.items[0]?.item_id ?? ""] }],
    request: { ask: "recommendations", items: [known.item], n: 2 },
  });
  assert.ok(!imagined.after.items.some((item) => item.item_id === session.items[0]?.item_id));
  assert.equal((await shop.trending({ n: 2 })).items.length, 2);
  assert.equal((await shop.rank({ items: [known.item], user_id: known.user })).items.length, 1);
});

test("every route can be called by its path", async () => {
  const params = { path: { item_id: "no/such item" } };
  await assert.rejects(async () => read(await shop.routes.GET("/v1/items/{item_id}", { params })), {
    name: "ApiProblem",
    status: 404,
  });
  assert.ok((await shop.routes.GET("/ready")).data?.release);
});

test("a refusal says what to do, and is not repeated", async () => {
  await assert.rejects(shop.related("no/such item"), (error: unknown) => {
    assert.ok(error instanceof ApiProblem);
    assert.deepEqual([error.status, error.type], [404, "/problems/not-found"]);
    assert.ok(error.requestId && error.message.includes("no/such item"));
    return true;
  });
});

test("a busy or absent server is asked again with the same event ids", async () => {
  for (const failure of [503, 429, 502, 0]) {
    const sent: string[] = [];
    const flaky: Kindred = new Kindred(url, {
      apiKey: "kindred_a_b",
      retries: quick,
      fetch: async (request) => {
        assert.equal(request.headers.get("authorization"), "Bearer kindred_a_b");
        sent.push(await request.text());
        if (sent.length === 4) return Response.json({ accepted: 1, duplicates: 0 });
        if (failure === 0) throw new TypeError("refused");
        return new Response("{}", { status: failure });
      },
    });
    assert.equal((await flaky.postEvents({ user_id: "u", item_id: "i", kind: "view" })).accepted, 1);
    assert.deepEqual([sent.length, new Set(sent).size], [4, 1]);
  }
});

test("it gives up, after one try where the write names its version", async () => {
  let tries = 0;
  const silent = new Kindred(url, {
    retries: quick,
    fetch: async () => {
      tries += 1;
      throw new TypeError("refused");
    },
  });
  await assert.rejects(silent.trending(), Unreachable);
  assert.equal(tries, 4);
  tries = 0;
  const params = { path: { item_id: "i" }, header: { "if-match": '"1"' } };
  await assert.rejects(silent.routes.PUT("/v1/items/{item_id}", { params, body: {} }), Unreachable);
  assert.equal(tries, 1);
});

test("a server that does not answer in time is left", async () => {
  const slow = new Kindred(url, {
    timeoutMs: 20,
    retries: { ...quick, attempts: 2 },
    fetch: (request) =>
      new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason))),
  });
  await assert.rejects(slow.trending(), Unreachable);
});
