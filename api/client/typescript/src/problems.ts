/** Errors: a refusal in the server's own words, or no answer at all. */

import type { components } from "./schema.d.ts";

export type ProblemDocument = components["schemas"]["Problem"];

/** The server refused; `type` is stable, and GET of it says what to do. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly type: string;
  readonly requestId: string | undefined;
  readonly field: string | undefined;

  constructor(status: number, document: Partial<ProblemDocument> | undefined) {
    super(document?.detail ?? document?.title ?? `the server answered ${status}`);
    this.name = "ApiProblem";
    this.status = status;
    this.type = document?.type ?? "about:blank";
    this.requestId = document?.request_id;
    this.field = document?.field;
  }
}

/** Nobody answered, after every try. */
export class Unreachable extends Error {
  constructor(tries: number, cause: unknown) {
    super(`no answer after ${tries} tries; is the server running?`, { cause });
    this.name = "Unreachable";
  }
}
