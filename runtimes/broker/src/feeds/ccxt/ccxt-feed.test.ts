import { CodedError, silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { type BarEvent, type WireBar, rulesFromSymbol, timeframeMs } from "@bellwether/trading";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BrokerErrorCode } from "../../errors.ts";
import { CcxtFeed } from "./ccxt-feed.ts";
import type { Candle, PublicExchange } from "./public-exchange.ts";

const minute = 60_000;
const start = 1_700_000_040_000;

/** An exchange that has a candle for every minute, some of them late or missing, and goes down when told to. */
class ScriptedExchange implements PublicExchange {
  readonly name = "scripted";
  readonly timeframes = ["1m", "5m"];
  readonly clock: ManualClock;
  aheadMs = 0;
  down: { limited: boolean } | undefined;
  readonly left = new Set<number>();
  lateMs = 0;
  asked = 0;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  async loadMarkets(): Promise<void> {
    this.#answer();
  }

  async serverTimeMs(): Promise<number> {
    this.#answer();
    return this.clock.nowMs() + this.aheadMs;
  }

  market(symbol: string): ReturnType<PublicExchange["market"]> {
    if (symbol.includes(":")) return "not-spot";
    return symbol === "BTC/USDT" ? (rulesFromSymbol(symbol) ?? "unknown") : "unknown";
  }

  async candles({
    timeframe,
    sinceMs,
    limit,
  }: {
    timeframe: string;
    sinceMs: number;
    limit: number;
  }): Promise<readonly Candle[]> {
    this.#answer();
    const frame = timeframeMs(timeframe);
    const rows: Candle[] = [];
    for (
      let time = Math.ceil(sinceMs / frame) * frame;
      time <= this.clock.nowMs() + this.aheadMs - this.lateMs && rows.length < limit;
      time += frame
    ) {
      if (!this.left.has(time)) rows.push([time, 1, 2, 1, time / minute, 5]);
    }
    return rows;
  }

  #answer(): void {
    this.asked += 1;
    if (this.down) throw new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", "down", { context: this.down });
  }
}

describe("live candles by polling", () => {
  let clock: ManualClock;
  let exchange: ScriptedExchange;
  let feed: CcxtFeed;
  let base: WireBar[];
  let announced: BarEvent[];
  let stop: AbortController;
  let done: Promise<void>;

  beforeEach(() => {
    clock = new ManualClock(start + 10_000);
    exchange = new ScriptedExchange(clock);
    base = [];
    announced = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await clock.advance(1);
    await done;
  });

  const run = async (timeframes: readonly string[], resumeAfterMs?: number): Promise<void> => {
    feed = new CcxtFeed({
      exchange,
      markets: timeframes.map((timeframe) => ({ symbol: "BTC/USDT", timeframe })),
      clock,
      log: silentLogger,
    });
    done = feed.run(
      {
        onBaseBar: async (_market, bar) => void base.push(bar),
        onBar: (event) => void announced.push(event),
        onEnd: () => undefined,
      },
      { signal: stop.signal, waiting: resumeAfterMs === undefined ? [] : ["BTC/USDT"], resumeAfter: () => resumeAfterMs },
    );
    await clock.advance(0);
  };
  const times = (bars: readonly WireBar[]): number[] => bars.map((bar) => (bar.time - start) / minute);

  test("only closed candles are delivered, each once, soon after their end", async () => {
    await run(["1m"]);
    expect(times(base)).toEqual([-1]);
    await clock.advance(50_000 + 1_499);
    expect(times(base)).toEqual([-1]);
    await clock.advance(1);
    expect(times(base)).toEqual([-1, 0]);
    await clock.advance(2 * minute);
    expect(times(base)).toEqual([-1, 0, 1, 2]);
    expect(times(announced.map((event) => event.bar))).toEqual([-1, 0, 1, 2]);
    expect(feed.state().state).toBe("running");
  });

  test("the venue sees the minute before a coarser bar that ends with it is announced", async () => {
    const order: string[] = [];
    await run(["5m"]);
    base.push = (bar) => order.push(`base ${(bar.time - start) / minute}`);
    announced.push = (event) => order.push(`announced ${event.timeframe}`);
    // 1,700,000,040 s is the fourth minute of its five: the interval ends two minutes later.
    await clock.advance(4 * minute);
    expect(order.indexOf("announced 5m")).toBeGreaterThan(0);
    const before = order[order.indexOf("announced 5m") - 1];
    expect(before).toMatch(/^base/);
  });

  test("the exchange's clock counts, not ours", async () => {
    exchange.aheadMs = 30 * minute;
    await run(["1m"]);
    expect(times(base)).toEqual([29]);
    expect(feed.marketTimeMs()).toBe(clock.nowMs() + 30 * minute);
  });

  test("candles left out by the exchange are skipped, later ones still come", async () => {
    exchange.left.add(start);
    await run(["1m"]);
    await clock.advance(3 * minute);
    expect(times(base)).toEqual([-1, 1, 2]);
  });

  test("a late candle is asked for again", async () => {
    await run(["1m"]);
    exchange.lateMs = minute + 4_000;
    await clock.advance(52_000);
    expect(times(base)).toEqual([-1]);
    exchange.lateMs = 0;
    await clock.advance(5_000);
    expect(times(base)).toEqual([-1, 0]);
  });

  test("an outage makes the market stale; afterwards nothing is missing", async () => {
    await run(["1m"]);
    exchange.down = { limited: false };
    await clock.advance(5 * minute);
    expect(feed.state()).toMatchObject({ state: "stale", message: expect.stringContaining("down") });
    exchange.down = undefined;
    await clock.advance(minute);
    expect(times(base)).toEqual([-1, 0, 1, 2, 3, 4, 5]);
    expect(feed.state().state).toBe("running");
  });

  test("an exchange that asks for less is left alone for a minute", async () => {
    await run(["1m"]);
    exchange.down = { limited: true };
    const before = exchange.asked;
    await clock.advance(52_000 + 59_000);
    expect(exchange.asked - before).toBe(1);
  });

  test("orders that waited meet the candles of the time nobody was here, unannounced", async () => {
    await run(["1m"], start - 10 * minute);
    expect(times(base)).toEqual([-9, -8, -7, -6, -5, -4, -3, -2, -1]);
    expect(times(announced.map((event) => event.bar))).toEqual([-1]);
  });

  test("history ends where the announcements have got to", async () => {
    await run(["1m"]);
    expect(times(await feed.bars({ market: "BTC/USDT", timeframe: "1m", limit: 3 }))).toEqual([-3, -2, -1]);
    expect(times(await feed.bars({ market: "BTC/USDT", timeframe: "1m", limit: 2, untilMs: start - minute }))).toEqual([-3, -2]);
    expect(await feed.bars({ market: "BTC/USDT", timeframe: "1m", limit: 1_200 })).toHaveLength(1_200);
  });

  test.each([
    { symbol: "DOGE/USDT", says: "MarketUnknown: scripted has no open market DOGE/USDT" },
    { symbol: "BTC/USDT:USDT", says: "MarketTypeNotSupported: BTC/USDT:USDT is not a spot market" },
  ])("a market that is configured and not to be had is told: $symbol", async ({ symbol, says }) => {
    feed = new CcxtFeed({ exchange, markets: [{ symbol, timeframe: "1m" }], clock, log: silentLogger });
    done = feed.run(
      { onBaseBar: async () => undefined, onBar: () => undefined, onEnd: () => undefined },
      { signal: stop.signal, waiting: [], resumeAfter: () => undefined },
    );
    await clock.advance(0);
    expect(feed.state()).toEqual({ state: "failed", message: says });
  });

  test.each([
    { market: "BTC/USDT:USDT", timeframe: "1m", code: "MARKET_TYPE_NOT_SUPPORTED" },
    { market: "DOGE/USDT", timeframe: "1m", code: "MARKET_UNKNOWN" },
    { market: "BTC/USDT", timeframe: "7m", code: "TIMEFRAME_NOT_AVAILABLE" },
  ])("$market in $timeframe is refused with $code", async ({ market, timeframe, code }) => {
    await run(["1m"]);
    await expect(feed.bars({ market, timeframe, limit: 1 })).rejects.toMatchObject({ code });
  });
});
