import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { describe, expect, test } from "vitest";
import { PnlStream } from "./pnl-stream.ts";

/** A stream that can be taken away, and that may answer late or not at all. */
function world() {
  const clock = new ManualClock();
  const server = { entries: [] as number[], down: false, slow: undefined as Promise<void> | undefined, tries: 0 };
  const outcomes = { written: 0, dropped: 0 };
  const stream = new PnlStream({
    writer: {
      append: async (data) => {
        server.tries += 1;
        await server.slow;
        if (server.down) throw new Error("gone");
        server.entries.push((JSON.parse(data) as { n: number }).n);
      },
    },
    clock,
    log: silentLogger,
    onOutcome: (outcome) => void (outcomes[outcome] += 1),
  });
  const send = (from: number, to = from): void => {
    for (let n = from; n <= to; n += 1) stream.send({ data: { n } });
  };
  return { clock, server, outcomes, stream, send };
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("the stream of equity and P&L", () => {
  test("writes everything in its order", async () => {
    const { clock, server, outcomes, send } = world();
    send(1, 50);
    await clock.advance(0);
    send(51);
    await clock.advance(0);
    expect(server.entries).toEqual(numbers(1, 51));
    expect(outcomes).toEqual({ written: 51, dropped: 0 });
  });

  test("goes on where it was after a short outage, without asking all the time", async () => {
    const { clock, server, outcomes, send } = world();
    server.down = true;
    send(1, 20);
    await clock.advance(60_000);
    expect(server.tries).toBeLessThan(12);
    server.down = false;
    await clock.advance(10_000);
    expect(server.entries).toEqual(numbers(1, 20));
    expect(outcomes).toEqual({ written: 20, dropped: 0 });
  });

  test("keeps the newest minute's worth through a long one, and counts what it dropped", async () => {
    const { clock, server, outcomes, send } = world();
    server.down = true;
    send(1, 500);
    await clock.advance(1_000);
    server.down = false;
    await clock.advance(10_000);
    expect(server.entries).toEqual(numbers(381, 500));
    expect(outcomes).toEqual({ written: 120, dropped: 380 });
  });

  test("does not drop another one when the one under way has been dropped meanwhile", async () => {
    const { clock, server, outcomes, send } = world();
    const answer = Promise.withResolvers<void>();
    server.slow = answer.promise;
    send(1, 200);
    server.slow = undefined;
    answer.resolve();
    await clock.advance(0);
    expect(server.entries).toEqual([1, ...numbers(81, 200)]);
    expect(outcomes).toEqual({ written: 121, dropped: 80 });
  });

  test("writes nothing any more once it is closed", async () => {
    const { clock, server, stream, send } = world();
    server.down = true;
    send(1, 3);
    await clock.advance(0);
    stream.close();
    server.down = false;
    send(4);
    await clock.advance(60_000);
    expect(server.entries).toEqual([]);
  });
});
