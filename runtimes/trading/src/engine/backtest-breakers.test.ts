import { describe, expect, test } from "vitest";
import { seriesFromBars } from "../bars/series.ts";
import type { BreakerConfig } from "../breakers/breaker.ts";
import { backtestOptions } from "../testing/backtest-fixtures.ts";
import { ReferenceEngine } from "../testing/reference-engine.ts";
import { runBacktest, type BacktestOptions } from "./backtest.ts";
import type { EngineProgram } from "./program.ts";

const minuteMs = 60_000;
const barsOf = (...closes: readonly number[]) =>
  seriesFromBars(
    closes.map((close, index) => {
      const open = closes[index - 1] ?? close;
      return { time: index * minuteMs, open, high: Math.max(open, close), low: Math.min(open, close), close, volume: 1_000_000 };
    }),
    minuteMs,
  );
/** Is always in: buys with everything as soon as nothing is held. */
const always: EngineProgram = {
  onBar(context) {
    if (Number(context.position.quantity) === 0 && context.orders().length === 0) context.buy({ equityRatio: "1" });
  },
};
const rapidLoss: BreakerConfig = {
  type: "RapidLoss",
  threshold: 0.03,
  windowMs: 15 * minuteMs,
  cooldownMs: 5 * minuteMs,
  action: "Flatten",
};
const drawdown: BreakerConfig = { type: "Drawdown", threshold: 0.2, windowMs: minuteMs, cooldownMs: 0, action: "Flatten" };

function run(closes: readonly number[], given: Partial<BacktestOptions>) {
  const limits = { maxPositionRatio: "1" };
  return runBacktest(
    backtestOptions({ program: always, bars: barsOf(...closes), feeBps: "0", slippageBps: "0", limits, ...given }),
  );
}

const linesOf = (log: string | undefined, word: string) => (log ?? "").split("\n").filter((line) => line.startsWith(word));

describe("breakers in a backtest", () => {
  test("RapidLoss sells everything at the next open and keeps the program out until it has cooled down", async () => {
    const closes = [100, 100, 100, 96, 96, 96, 96, 96, 96, 96, 96, 96];
    const { fills, log } = await run(closes, { circuitBreakers: [rapidLoss] });
    expect(fills.map(({ side, price, time }) => `${side} ${price} at ${time / minuteMs}`)).toEqual([
      "buy 100 at 1",
      "sell 96 at 4",
      "buy 96 at 9",
    ]);
    expect(linesOf(log, "breaker").map((line) => line.split(" ").slice(1, 6).join(" "))).toEqual([
      "240000 RapidLoss Armed -> Tripped",
      "300000 RapidLoss Tripped -> CoolingDown",
      "540000 RapidLoss CoolingDown -> Armed",
    ]);
    expect(linesOf(log, "flatten")).toEqual(["flatten 240000 100 limit=95.04"]);
    expect(linesOf(log, "intent 360000").join()).toContain("DENIED HALTED");
  });

  test("sells at no price below its bound and follows a market that falls faster", async () => {
    const closes = [100, 100, 100, 96, 93, 86];
    const opens = [100, 100, 100, 100, 94, 90];
    const bars = seriesFromBars(
      closes.map((close, index) => {
        const open = opens[index]!;
        return { time: index * minuteMs, open, high: Math.max(open, close), low: Math.min(open, close), close, volume: 1e6 };
      }),
      minuteMs,
    );
    const { log, fills } = await run([], { bars, circuitBreakers: [rapidLoss] });
    expect(linesOf(log, "flatten")).toEqual([
      "flatten 240000 100 limit=95.04",
      "flatten 300000 100 limit=91.14",
      "flatten 360000 100 limit=82.56",
    ]);
    expect(fills.map(({ side }) => side)).toEqual(["buy"]);
  });

  test("Drawdown stops to the end: nobody arms it again", async () => {
    const closes = [100, 100, 90, 80, 70, 70, 100, 120, 150, 150];
    const { fills } = await run(closes, { circuitBreakers: [drawdown] });
    expect(fills.map(({ side }) => side)).toEqual(["buy", "sell"]);
  });

  test("Reduce lets the program leave and not enter; Halt lets it do neither", async () => {
    const leaver: EngineProgram = {
      onBar(context) {
        if (context.position.quantity === "0") context.buy({ equityRatio: "0.5" });
        else if (context.closes.at(0) < 95) context.sell({ all: true });
      },
    };
    const closes = [100, 100, 90, 80, 80, 80, 80];
    const sides = async (action: BreakerConfig["action"]) =>
      (await run(closes, { program: leaver, circuitBreakers: [{ ...drawdown, threshold: 0.04, action }] })).fills.map(
        ({ side }) => side,
      );
    expect(await sides("Reduce")).toEqual(["buy", "sell"]);
    expect(await sides("Halt")).toEqual(["buy"]);
  });

  test("ConsecutiveLosses counts round trips after fees", async () => {
    const churner: EngineProgram = {
      onBar(context) {
        if (context.position.quantity === "0") context.buy({ equityRatio: "0.5" });
        else context.sell({ all: true });
      },
    };
    const losses: BreakerConfig = {
      type: "ConsecutiveLosses",
      threshold: 3,
      windowMs: 3_600_000,
      cooldownMs: 3_600_000,
      action: "Halt",
    };
    const { trades } = await run(
      Array.from({ length: 40 }, () => 100),
      { program: churner, feeBps: "10", circuitBreakers: [losses] },
    );
    expect(trades).toBe(3);
  });

  test("VenueStale trips on a gap in the bars and lets go a minute after it", async () => {
    const bars = seriesFromBars(
      [0, 1, 2, 9, 10, 11, 12].map((minute) => ({
        time: minute * minuteMs,
        open: 100,
        high: 100,
        low: 100,
        close: 100,
        volume: 1e6,
      })),
      minuteMs,
    );
    const stale: BreakerConfig = {
      type: "VenueStale",
      threshold: undefined,
      windowMs: 2 * minuteMs,
      cooldownMs: minuteMs,
      action: "Halt",
    };
    const { log } = await run([], { bars, circuitBreakers: [stale] });
    expect(linesOf(log, "breaker").map((line) => line.split(" ").slice(1, 6).join(" "))).toEqual([
      "540000 VenueStale Armed -> Tripped",
      "600000 VenueStale Tripped -> CoolingDown",
      "660000 VenueStale CoolingDown -> Armed",
    ]);
  });

  test("without a breaker that trips the run is the same but for the line that names it", async () => {
    const [without, withIt] = [
      await runBacktest(backtestOptions()),
      await runBacktest(backtestOptions({ circuitBreakers: [drawdown] })),
    ];
    expect(withIt.log?.split("\n").slice(1)).toEqual(without.log?.split("\n").slice(1));
  });
});

describe("fee spikes in a backtest", () => {
  test("the venue charges another fee for a while, and nobody was told", async () => {
    const churner: EngineProgram = {
      onBar(context) {
        if (context.position.quantity === "0") context.buy({ quantity: "1" });
        else context.sell({ all: true });
      },
    };
    const feeSpikes = [{ fromMs: 2 * minuteMs, toMs: 4 * minuteMs, feeBps: "100" }];
    const { fills } = await run([100, 100, 100, 100, 100, 100], { program: churner, feeBps: "10", feeSpikes });
    expect(fills.map(({ time, fee }) => `${fee} at ${time / minuteMs}`)).toEqual([
      "0.1 at 1",
      "1 at 2",
      "1 at 3",
      "0.1 at 4",
      "0.1 at 5",
    ]);
  });
});

describe("limits of loss in a backtest", () => {
  test.each([
    { limit: "maxDailyLossRatio", value: "0.002", then: "DENIED DAILY_LOSS" },
    { limit: "maxDrawdownRatio", value: "0.002", then: "DENIED DRAWDOWN" },
    { limit: "maxTokenConcentrationRatio", value: "0.19", then: "DENIED CONCENTRATION" },
  ])("$limit is held by the exact engine on the same orders", async ({ limit, value, then }) => {
    const options = backtestOptions({ limits: { maxPositionRatio: "1", maxOrdersPerMinute: 1, [limit]: value } });
    const fast = await runBacktest(options);
    expect(await new ReferenceEngine(options).run()).toBe(fast.logSha256);
    expect(fast.log).toContain(then);
  });
});

describe("sizing in a backtest", () => {
  const quantities = async (sizing: BacktestOptions["sizing"]) =>
    (await run([100, 100, 100], { sizing })).fills.map(({ quantity }) => quantity);

  test("shrinks an entry to the fixed fraction", async () => {
    expect(await quantities(undefined)).toEqual(["100"]);
    expect(await quantities({ method: "FixedFraction", fractionRatio: "0.25" })).toEqual(["25"]);
  });

  test("sizes by volatility once it is known", async () => {
    const closes = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 100 : 101));
    const late: EngineProgram = { onBar: (context) => void (context.closes.length === 40 && context.buy({ equityRatio: "1" })) };
    const { fills } = await run(closes, { program: late, sizing: { method: "VolatilityTarget", targetVolatilityRatio: "1" } });
    // A percent a minute is 7.2 a year: a seventh of the equity.
    expect(Number(fills[0]?.quantity)).toBeGreaterThan(13);
    expect(Number(fills[0]?.quantity)).toBeLessThan(15);
  });
});
