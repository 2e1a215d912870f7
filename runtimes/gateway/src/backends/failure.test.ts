import { describe, expect, test } from "vitest";
import { BackendFailure, breakerWeight, failureOfConnection, failureOfStatus, mayTryAnother, retryAfterMs } from "./failure.ts";

const calm = new AbortController().signal;
const errno = (code: string): Error => new TypeError("fetch failed", { cause: Object.assign(new Error("connect"), { code }) });

const statuses: [status: number, code: string, weight: string, another: boolean][] = [
  [400, "MODEL_REFUSED", "ignore", false],
  [401, "MODEL_KEY_REFUSED", "trip", true],
  [403, "MODEL_KEY_REFUSED", "trip", true],
  [404, "MODEL_UNAVAILABLE", "failure", true],
  [422, "MODEL_REFUSED", "ignore", false],
  [429, "MODEL_RATE_LIMITED", "failure", true],
  [500, "MODEL_UNAVAILABLE", "failure", true],
  [529, "MODEL_UNAVAILABLE", "failure", true],
];

describe("an HTTP status", () => {
  test.each(statuses)("%d is %s, which the breaker counts as %s", (...[status, code, weight, another]) => {
    const failure = failureOfStatus(status, "said");
    expect([failure.code, breakerWeight(failure), mayTryAnother(failure), failure.mayBeBilled]).toEqual([
      code,
      weight,
      another,
      false,
    ]);
  });

  test("of a refused key does not repeat what the provider said: it quotes keys", () => {
    expect(failureOfStatus(401, "Incorrect API key provided: sk-canary").message).not.toContain("canary");
  });
});

describe("a connection", () => {
  test("that was never made costs nothing", () => {
    expect(failureOfConnection(errno("ECONNREFUSED"), { signal: calm, begun: false })).toMatchObject({
      code: "MODEL_UNAVAILABLE",
      mayBeBilled: false,
    });
  });

  test("that broke before an answer may cost something", () => {
    expect(failureOfConnection(errno("ECONNRESET"), { signal: calm, begun: false })).toMatchObject({
      code: "MODEL_UNAVAILABLE",
      mayBeBilled: true,
    });
  });

  test("that broke within an answer is not tried elsewhere", () => {
    const failure = failureOfConnection(errno("ECONNRESET"), { signal: calm, begun: true });
    expect([failure.code, mayTryAnother(failure)]).toEqual(["MODEL_BROKE_OFF", false]);
  });

  test("that we gave up says why we did", () => {
    const why = new BackendFailure("MODEL_TIMEOUT", "silence", { mayBeBilled: true });
    expect(failureOfConnection(new Error("aborted"), { signal: AbortSignal.abort(why), begun: false })).toBe(why);
  });
});

test.each([
  ["7", 7_000],
  ["Thu, 01 Jan 1970 00:01:40 GMT", 90_000],
  ["soon", undefined],
  [null, undefined],
])("retry-after %s is %s ms", (header, expected) => {
  expect(retryAfterMs(header, 10_000)).toBe(expected);
});
