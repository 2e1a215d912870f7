import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { beforeEach, describe, expect, test } from "vitest";
import { NewsStream, type Socket } from "./news-stream.ts";

type Event = "open" | "close" | "error" | "message";

/** A connection that says what it is told to say. */
class ScriptedSocket implements Socket {
  readonly sent: string[] = [];
  readonly #listeners = new Map<Event, (event: { data: unknown }) => void>();
  closed = false;

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  addEventListener(type: Event, listener: (event: { data: unknown }) => void): void {
    this.#listeners.set(type, listener);
  }

  emit(type: Event, data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
}

describe("news of an account", () => {
  let clock: ManualClock;
  let sockets: ScriptedSocket[];
  let heard: string[];
  let stream: NewsStream;
  const last = (): ScriptedSocket => sockets.at(-1) ?? expect.unreachable();

  beforeEach(() => {
    clock = new ManualClock();
    sockets = [];
    heard = [];
    stream = new NewsStream({
      channel: {
        url: "ws://x",
        subscribe: (nowMs) => [`subscribe at ${nowMs - clock.nowMs()}`],
        answer: (message) => (message === '{"ids":[],"login":true}' ? ["now orders"] : []),
        idsIn: (message) => (JSON.parse(message) as { ids: string[] }).ids,
        keepAlive: { text: "ping", everyMs: 20_000 },
      },
      connect: () => {
        sockets.push(new ScriptedSocket());
        return last();
      },
      venueTimeMs: () => clock.nowMs() + 7,
      heard: (ids) => heard.push(...ids),
      clock,
      log: silentLogger,
    });
    stream.start();
  });

  test("subscribes in the venue's time and passes ids on", () => {
    last().emit("open");
    expect(last().sent).toEqual(["subscribe at 7"]);
    last().emit("message", '{"ids":["a","b"]}');
    last().emit("message", '{"ids":[]}');
    expect(heard).toEqual(["a", "b"]);
  });

  test("says what its login has to be followed by, and keeps a quiet connection open until it is closed", async () => {
    last().emit("open");
    last().emit("message", '{"ids":[],"login":true}');
    await clock.advance(40_000);
    expect(last().sent.slice(1)).toEqual(["now orders", "ping", "ping"]);
    stream.close();
    await clock.advance(40_000);
    expect(last().sent).toHaveLength(4);
  });

  test.each(["no json", '{"other":1', 5, "x".repeat(200_000)])("what cannot be read is no news", (data) => {
    last().emit("message", data);
    expect(heard).toEqual([]);
  });

  test("a lost connection is made again, later each time, until something is heard", async () => {
    for (const [round, delayMs] of [1_000, 2_000, 4_000].entries()) {
      last().emit("error");
      last().emit("close");
      await clock.advance(delayMs - 1);
      expect(sockets).toHaveLength(round + 1);
      await clock.advance(1);
      expect(sockets).toHaveLength(round + 2);
    }
    last().emit("message", '{"ids":["a"]}');
    last().emit("close");
    await clock.advance(1_000);
    expect(sockets).toHaveLength(5);
  });

  test("a closed one stays closed", async () => {
    stream.close();
    expect(last().closed).toBe(true);
    last().emit("close");
    await clock.advance(600_000);
    expect(sockets).toHaveLength(1);
  });
});
