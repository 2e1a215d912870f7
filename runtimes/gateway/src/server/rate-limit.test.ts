import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { expect, test } from "vitest";
import { RateLimit } from "./rate-limit.ts";

test("lets a minute's worth through at once, then says how long the next one takes", async () => {
  const clock = new ManualClock();
  const limit = new RateLimit(60, { what: "requests", clock });
  for (let index = 0; index < 60; index++) {
    limit.admit(1);
    limit.take(1);
  }
  expect(() => limit.admit(1)).toThrow(
    expect.objectContaining({ code: "RATE_LIMITED", context: expect.objectContaining({ retryAfterMs: 1_000 }) }),
  );
  await clock.advance(1_000);
  limit.admit(1);
});

test("what turns out larger than it was let in for is waited off", async () => {
  const clock = new ManualClock();
  const limit = new RateLimit(1_000, { what: "tokens", clock });
  limit.admit(0);
  limit.take(3_000);
  await clock.advance(119_000);
  expect(() => limit.admit(0)).toThrow(expect.objectContaining({ code: "RATE_LIMITED" }));
  await clock.advance(2_000);
  limit.admit(0);
});
