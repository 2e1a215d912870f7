import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { describe, expect, test } from "vitest";
import { Held, RateLimiter } from "./rate-limiter.ts";

describe("the limiter of an account", () => {
  const make = (): {
    clock: ManualClock;
    limiter: RateLimiter;
    done: string[];
    ask: (name: string, cost: number, urgent?: boolean) => void;
  } => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ clock, perSecond: 10, burst: 40 });
    const done: string[] = [];
    const ask = (name: string, cost: number, urgent = false): void =>
      void limiter.take(cost, urgent).then(
        () => done.push(name),
        (error: unknown) => done.push(`${name} ${error instanceof Held ? "held" : "failed"}`),
      );
    return { clock, limiter, done, ask };
  };

  test("lets a burst through, then as much as comes back", async () => {
    const { clock, done, ask } = make();
    for (const name of ["a", "b", "c", "d"]) ask(name, 10);
    await clock.advance(0);
    expect(done).toEqual(["a", "b", "c"]);
    await clock.advance(999);
    expect(done).toHaveLength(3);
    await clock.advance(1);
    expect(done).toEqual(["a", "b", "c", "d"]);
  });

  test("orders go before reads and may use what reads leave", async () => {
    const { clock, done, ask } = make();
    ask("read", 30);
    ask("read that waits", 10);
    ask("order", 10, true);
    await clock.advance(0);
    expect(done).toEqual(["read", "order"]);
    await clock.advance(2_000);
    expect(done).toEqual(["read", "order", "read that waits"]);
  });

  test("after 429 nothing leaves until the venue's time is over, and what waits is told", async () => {
    const { clock, limiter, done, ask } = make();
    ask("first", 30);
    ask("waiting", 30);
    await clock.advance(0);
    limiter.pause(3_000);
    ask("order", 1, true);
    await clock.advance(2_999);
    expect(done).toEqual(["first", "order held", "waiting held"].sort((a, b) => done.indexOf(a) - done.indexOf(b)));
    ask("too early", 1, true);
    await clock.advance(1);
    ask("in time", 1, true);
    await clock.advance(200);
    expect(done.slice(-2)).toEqual(["too early held", "in time"]);
  });

  test("a ban without a time lasts a minute", async () => {
    const { clock, limiter } = make();
    limiter.pause(undefined);
    expect(limiter.pausedUntilMs - clock.nowMs()).toBe(60_000);
  });

  test("a clock that steps back takes nothing away", async () => {
    let nowMs = 1_000_000;
    const clock = new ManualClock();
    const limiter = new RateLimiter({
      clock: {
        nowMs: () => nowMs,
        setTimeout: (fn, delayMs) => clock.setTimeout(fn, delayMs),
        sleep: (delayMs) => clock.sleep(delayMs),
      },
      perSecond: 10,
      burst: 40,
    });
    await limiter.take(10, false);
    nowMs -= 500_000;
    await limiter.take(10, false);
    await limiter.take(10, false);
  });
});
