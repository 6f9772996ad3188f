/** When a request is sent again, and after how long. */

import { Unreachable } from "./problems.ts";

const AGAIN: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** Up to `attempts` tries in all, waiting twice as long each time, with jitter; `longestMs` bounds Retry-After too. */
export interface Retries {
  attempts: number;
  firstMs: number;
  longestMs: number;
}

export const RETRIES: Retries = { attempts: 4, firstMs: 100, longestMs: 5_000 };

export type Fetch = (request: Request) => Promise<Response>;

/**
 * `send`, tried again while the server is busy or away.
 *
 * Reads change nothing, and writes carry ids that make them idempotent. A write that names the version it replaces
 * (If-Match) is sent once: its repetition could be refused although the first had been done.
 */
export function retrying(send: Fetch, timeoutMs: number, retries: Retries): Fetch {
  return async (request) => {
    const version = request.headers.get("if-match");
    const attempts = version === null || version === "*" ? Math.max(1, retries.attempts) : 1;
    for (let attempt = 1; ; attempt++) {
      let retryAfter: string | null = null;
      try {
        // a copy each time, because sending uses the body up
        const deadline = AbortSignal.timeout(timeoutMs);
        const response = await send(new Request(request.clone(), { signal: either(request.signal, deadline) }));
        if (attempt === attempts || !AGAIN.has(response.status)) return response;
        retryAfter = response.headers.get("retry-after");
        await response.body?.cancel();
      } catch (error) {
        if (request.signal.aborted) throw error; // the caller has given up
        if (attempt === attempts) throw new Unreachable(attempts, error);
      }
      await new Promise((wake) => setTimeout(wake, waitMs(attempt, retryAfter, retries)));
    }
  };
}

/** Milliseconds before the try after `attempt`, which counts from 1. */
export function waitMs(attempt: number, retryAfter: string | null, retries: Retries): number {
  const backoff = retries.firstMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
  const asked = Number(retryAfter ?? 0) * 1000;
  return Math.min(retries.longestMs, Math.max(backoff, Number.isFinite(asked) ? asked : 0));
}

/** Aborted as soon as one of the two is; AbortSignal.any is younger than the oldest Node that this runs on. */
function either(caller: AbortSignal, deadline: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [caller, deadline]) {
    if (signal.aborted) both.abort(signal.reason);
    else signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
  }
  return both.signal;
}
