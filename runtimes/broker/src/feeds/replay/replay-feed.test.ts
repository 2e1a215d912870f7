import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { type BarEvent, type WireBar, seriesFromBars } from "@bellwether/trading";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BarSource } from "./bar-source.ts";
import { seriesSource } from "./csv-source.ts";
import { ReplayClock } from "./replay-clock.ts";
import { ReplayFeed } from "./replay-feed.ts";

const minute = 60_000;
/** A full hour, so that coarser bars begin with the data. */
const first = 1_700_006_400_000;

/** Minutes 0 … n−1 without those left out; bar i closes at 100 + i. */
function minutes(count: number, without: readonly number[] = []): BarSource {
  const bars: WireBar[] = [];
  for (let index = 0; index < count; index += 1) {
    if (without.includes(index)) continue;
    bars.push({
      time: first + index * minute,
      open: 100 + index,
      high: 101 + index,
      low: 99 + index,
      close: 100 + index,
      volume: 1,
    });
  }
  return seriesSource(seriesFromBars(bars, minute), "minutes");
}

describe("a replay", () => {
  let directory: string;
  let clock: ManualClock;
  let base: number[];
  let announced: BarEvent[];
  let ends: string[];
  const running: { stop: AbortController; done: Promise<void> }[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "bellwether-replay-"));
    clock = new ManualClock();
    base = [];
    announced = [];
    ends = [];
  });
  afterEach(async () => {
    for (const { stop, done } of running.splice(0)) {
      stop.abort();
      await clock.advance(1);
      await done;
    }
    rmSync(directory, { recursive: true, force: true });
  });

  const openClock = (source: BarSource, change: { speed?: number; dataset?: string } = {}): Promise<ReplayClock> =>
    ReplayClock.open({
      file: join(directory, "replay-start.json"),
      dataset: change.dataset ?? source.digest,
      speed: change.speed ?? 60,
      startMs: first + 10 * minute,
      endMs: source.timeAt(source.count - 1) + minute,
      clock,
    });

  const play = async (
    source: BarSource,
    options: { timeframes?: string[]; speed?: number; resumeAfter?: number } = {},
  ): Promise<ReplayFeed> => {
    const replayClock = await openClock(source, options.speed === undefined ? {} : { speed: options.speed });
    const markets = (options.timeframes ?? ["1m"]).map((timeframe) => ({ symbol: "BTC/USDT", timeframe }));
    const feed = new ReplayFeed({
      source: (symbol) => (symbol === "BTC/USDT" ? source : undefined),
      markets,
      replayClock,
      clock,
      log: silentLogger,
    });
    const stop = new AbortController();
    let resumeAfter = options.resumeAfter;
    const done = feed.run(
      {
        onBaseBar: async (_market, bar) => {
          base.push((bar.time - first) / minute);
          // The order that waited is gone after three bars.
          if (base.length >= 3) resumeAfter = undefined;
        },
        onBar: (event) => void announced.push(event),
        onEnd: (message) => void ends.push(message),
      },
      { signal: stop.signal, waiting: resumeAfter === undefined ? [] : ["BTC/USDT"], resumeAfter: () => resumeAfter },
    );
    running.push({ stop, done });
    await clock.advance(0);
    return feed;
  };
  const stopAll = async (): Promise<void> => {
    for (const { stop, done } of running.splice(0)) {
      stop.abort();
      await clock.advance(0);
      await done;
    }
  };

  test("a bar is delivered when market time has passed its end, at the speed asked for", async () => {
    const feed = await play(minutes(30));
    expect(base).toEqual([]);
    expect(feed.marketTimeMs()).toBe(first + 10 * minute);
    await clock.advance(999);
    expect(base).toEqual([]);
    await clock.advance(1);
    expect(base).toEqual([10]);
    await clock.advance(3_000);
    expect(base).toEqual([10, 11, 12, 13]);
    expect(announced.map((event) => event.bar.close)).toEqual([110, 111, 112, 113]);
  });

  test("a broker that was away goes on where the market is by now", async () => {
    await play(minutes(100));
    await clock.advance(2_000);
    await stopAll();
    await clock.advance(60_000);
    base = [];
    const feed = await play(minutes(100));
    expect(feed.marketTimeMs()).toBe(first + 72 * minute);
    await clock.advance(1_000);
    expect(base).toEqual([72]);
  });

  test("orders that waited meet the bars of that time, as long as one waits, and nobody is told of old bars", async () => {
    await play(minutes(100));
    await stopAll();
    await clock.advance(20_000);
    await play(minutes(100), { resumeAfter: first + 14 * minute });
    expect(base).toEqual([15, 16, 17]);
    expect(announced).toEqual([]);
    await clock.advance(1_000);
    expect(base).toEqual([15, 16, 17, 30]);
  });

  test("a new speed takes over where the market stands", async () => {
    await play(minutes(100));
    await clock.advance(10_000);
    await stopAll();
    const feed = await play(minutes(100), { speed: 600 });
    expect(feed.marketTimeMs()).toBe(first + 20 * minute);
    await clock.advance(1_000);
    expect(feed.marketTimeMs()).toBe(first + 30 * minute);
  });

  test("another dataset is refused: market time would jump", async () => {
    await openClock(minutes(30));
    await expect(openClock(minutes(30), { dataset: "other" })).rejects.toMatchObject({ code: "DATASET_CHANGED" });
  });

  test("a coarser bar is announced with its last minute, and is made of all of them", async () => {
    await play(minutes(30), { timeframes: ["5m"] });
    await clock.advance(5_000);
    expect(announced).toEqual([
      {
        market: "BTC/USDT",
        timeframe: "5m",
        revision: false,
        bar: { time: first + 10 * minute, open: 110, high: 115, low: 109, close: 114, volume: 5 },
      },
    ]);
  });

  test("a coarser bar whose end is missing is announced once the gap is over", async () => {
    await play(minutes(30, [13, 14, 15]), { timeframes: ["5m"] });
    await clock.advance(6_999);
    expect(announced).toEqual([]);
    await clock.advance(1);
    expect(announced.map(({ bar }) => [(bar.time - first) / minute, bar.close, bar.volume])).toEqual([[10, 112, 3]]);
  });

  test("the end is told once, and market time stands still", async () => {
    const feed = await play(minutes(12));
    await clock.advance(60_000);
    expect(base).toEqual([10, 11]);
    expect(ends).toHaveLength(1);
    expect(feed.state().state).toBe("ended");
    expect(feed.ended()).toBe(true);
    expect(feed.marketTimeMs()).toBe(first + 12 * minute);
  });

  describe("history", () => {
    test.each([
      { query: { timeframe: "1m", limit: 3 }, then: [7, 8, 9] },
      { query: { timeframe: "1m", limit: 3, untilMs: first + 5 * minute }, then: [2, 3, 4] },
      { query: { timeframe: "1m", limit: 3, untilMs: first + 60 * minute }, then: [7, 8, 9] },
      { query: { timeframe: "5m", limit: 10 }, then: [0, 5] },
      { query: { timeframe: "5m", limit: 1 }, then: [5] },
      { query: { timeframe: "15m", limit: 5 }, then: [] },
    ])("$query.limit of $query.timeframe until $query.untilMs are $then", async ({ query, then }) => {
      const feed = await play(minutes(30));
      const bars = await feed.bars({ market: "BTC/USDT", ...query });
      expect(bars.map((bar) => (bar.time - first) / minute)).toEqual(then);
    });

    test.each([
      { market: "BTC/USDT", timeframe: "90s", code: "TIMEFRAME_NOT_AVAILABLE" },
      { market: "ETH/USDT", timeframe: "1m", code: "MARKET_UNKNOWN" },
    ])("$market in $timeframe is refused with $code", async ({ market, timeframe, code }) => {
      const feed = await play(minutes(30));
      await expect(feed.bars({ market, timeframe, limit: 1 })).rejects.toMatchObject({ code });
    });
  });
});
