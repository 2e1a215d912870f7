import { CodedError } from "@bellwether/service-kit";
import { describe, expect, test } from "vitest";
import { ModelBreaker } from "./breaker.ts";
import { BackendFailure, failureOfStatus } from "./failure.ts";

/** Of an hour ahead: what the breaker calls itself between two requests is its own clock's matter. */
function breakerOf(nowMs = 0): { breaker: ModelBreaker; clock: { nowMs(): number; at: number } } {
  const clock = { at: nowMs, nowMs: () => clock.at };
  const options = { failureRatio: 0.5, minimumRequests: 4, windowMs: 3_600_000, openForMs: 1_800_000, clock };
  return { breaker: new ModelBreaker("m", options), clock };
}
const fail = (breaker: ModelBreaker, error: Error): Promise<unknown> =>
  breaker.run(() => Promise.reject(error)).catch((thrown: unknown) => thrown);

describe("the breaker of a model", () => {
  test("stays closed below the least number of requests, and opens at it", async () => {
    const { breaker } = breakerOf();
    for (let index = 0; index < 3; index++) await fail(breaker, failureOfStatus(500, ""));
    expect(breaker.state).toBe("Closed");
    await fail(breaker, failureOfStatus(500, ""));
    expect(breaker.state).toBe("Open");
    expect(await fail(breaker, new Error("never run"))).toMatchObject({
      code: "BREAKER_OPEN",
      context: { because: "MODEL_UNAVAILABLE" },
    });
  });

  test("opens at once for a refused key", async () => {
    const { breaker } = breakerOf();
    await fail(breaker, failureOfStatus(401, ""));
    expect(breaker.state).toBe("Open");
  });

  test("does not count what is the caller's fault, the queue's or the budget's", async () => {
    const { breaker } = breakerOf();
    for (let index = 0; index < 10; index++) {
      await fail(breaker, failureOfStatus(400, ""));
      await fail(breaker, new BackendFailure("CALLER_GONE", "gone", { mayBeBilled: true }));
      await fail(breaker, new CodedError("QUEUE_FULL", "full"));
    }
    expect(breaker.state).toBe("Closed");
  });

  test("counts an answer that broke off after it had begun", async () => {
    const { breaker } = breakerOf();
    const broken = new BackendFailure("MODEL_BROKE_OFF", "broke off", { mayBeBilled: true });
    for (let index = 0; index < 2; index++) {
      await breaker.run(async () => "begun");
      await breaker.fault(broken);
    }
    expect(breaker.state).toBe("Open");
  });

  test("says that it can be tried again once it has waited, so that somebody tries", async () => {
    const { breaker, clock } = breakerOf();
    await fail(breaker, failureOfStatus(401, ""));
    clock.at += 1_799_999;
    expect(breaker.state).toBe("Open");
    clock.at += 1;
    expect(breaker.state).toBe("HalfOpen");
  });
});
