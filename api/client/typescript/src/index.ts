/**
 * The TypeScript client. Types are generated from the server's OpenAPI description.
 *
 *     const shop = new Kindred("http://127.0.0.1:8000", { apiKey: "kindred_…" });
 *     for (const item of (await shop.recommendations("user-1", { n: 5, include: ["reasons"] })).items)
 *       console.log(item.rank, item.item_id, item.reasons?.[0]?.text);
 */

import createClient, { type Client } from "openapi-fetch";

import { ApiProblem, type ProblemDocument } from "./problems.ts";
import { RETRIES, retrying, type Fetch, type Retries } from "./retries.ts";
import type { components, paths } from "./schema.d.ts";

export { ApiProblem, Unreachable } from "./problems.ts";
export type { Retries } from "./retries.ts";
export type { components, paths } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Answer = Schemas["Envelope"];
export type Item = Schemas["ListedItem"];
export type Reason = Schemas["Reason"];
export type Event = Schemas["Event"];

/** The query of a GET route, with `include` as a list. */
type Query<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Q } } }
  ? Omit<NonNullable<Q>, "include"> & { include?: Included[] }
  : never;
/** A query without the parameters that the method takes by place. */
type Rest<Path extends keyof paths, Placed extends string> = Omit<Query<Path>, Placed>;
type Included = "properties" | "score" | "reasons";

export interface Options {
  /** Sent as a bearer token. In a browser, use a key that may only read and post events. */
  apiKey?: string;
  timeoutMs?: number;
  retries?: Partial<Retries>;
  fetch?: Fetch;
}

/** Every question and change of the API; refusals throw {@link ApiProblem}, silence throws Unreachable. */
export class Kindred {
  /** Every route by its path, typed, with the same key and retries: for what has no method here. */
  readonly routes: Client<paths>;

  constructor(url: string, options: Options = {}) {
    const send = retrying(
      options.fetch ?? ((request) => globalThis.fetch(request)),
      options.timeoutMs ?? 5_000,
      { ...RETRIES, ...options.retries },
    );
    const headers = options.apiKey === undefined ? {} : { Authorization: `Bearer ${options.apiKey}` };
    this.routes = createClient<paths>({ baseUrl: url.replace(/\/+$/, ""), headers, fetch: send });
  }

  /** Items related to one: similar, complementary, bought_together or cross_category. */
  async related(itemId: string, query: Query<"/v1/items/{item_id}/related"> = {}): Promise<Answer> {
    const params = { path: { item_id: itemId }, query: asked(query) };
    return read(await this.routes.GET("/v1/items/{item_id}/related", { params }));
  }

  /** Recommendations for a user, known or not. */
  async recommendations(
    userId: string,
    query: Query<"/v1/users/{user_id}/recommendations"> = {},
  ): Promise<Answer> {
    const params = { path: { user_id: userId }, query: asked(query) };
    return read(await this.routes.GET("/v1/users/{user_id}/recommendations", { params }));
  }

  /** Recommendations for a user, a session of events, a cart of items, or any of them together. */
  async recommend(body: Schemas["RecommendationsBody"]): Promise<Answer> {
    return read(await this.routes.POST("/v1/recommendations", { body }));
  }

  /** What is chosen most within a window. */
  async trending(query: Query<"/v1/trending"> = {}): Promise<Answer> {
    return read(await this.routes.GET("/v1/trending", { params: { query: asked(query) } }));
  }

  /** Items for words, by the words and by their meaning. */
  async search(q: string, query: Rest<"/v1/search", "q"> = {}): Promise<Answer> {
    return read(await this.routes.GET("/v1/search", { params: { query: { ...asked(query), q } } }));
  }

  /** Names that begin like what was typed. */
  async suggest(q: string, query: Rest<"/v1/suggest", "q"> = {}): Promise<Schemas["SuggestReply"]> {
    return read(await this.routes.GET("/v1/suggest", { params: { query: { ...asked(query), q } } }));
  }

  /** A given list, best first for a user or a session. */
  async rank(body: Schemas["RankBody"]): Promise<Answer> {
    return read(await this.routes.POST("/v1/rank", { body }));
  }

  /** Why an item is in a user's list, or why not. */
  async explain(
    itemId: string,
    userId: string,
    query: Rest<"/v1/explanations", "item_id" | "user_id"> = {},
  ): Promise<Schemas["ExplanationReply"]> {
    const params = { query: { ...asked(query), item_id: itemId, user_id: userId } };
    return read(await this.routes.GET("/v1/explanations", { params }));
  }

  /** A list before and after edits that are only imagined; nothing is written. */
  async whatIf(body: Schemas["WhatIfBody"]): Promise<Schemas["WhatIfReply"]> {
    return read(await this.routes.POST("/v1/what-if", { body }));
  }

  /** Stores events; those without an `event_id` get one, so that a repeated request stores nothing twice. */
  async postEvents(...events: Event[]): Promise<Schemas["Acknowledged"]> {
    const body = events.map((event) => ({ ...event, event_id: event.event_id ?? crypto.randomUUID() }));
    return read(await this.routes.POST("/v1/events", { body }));
  }
}

/** The reply of a route called through `routes`, or its refusal as an {@link ApiProblem}. */
export function read<T>(reply: { data?: T; error?: ProblemDocument; response: Response }): T {
  if (reply.data !== undefined && reply.response.ok) return reply.data;
  throw new ApiProblem(reply.response.status, reply.error);
}

/** A query as it is sent: lists by comma. */
function asked<Q extends { include?: Included[] }>(query: Q): Omit<Q, "include"> & { include?: string } {
  const { include, ...rest } = query;
  return include === undefined ? rest : { ...rest, include: include.join(",") };
}
