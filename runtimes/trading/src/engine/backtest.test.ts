import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seriesFromBars, sliceSeries, barAt } from "../bars/series.ts";
import { syntheticBars } from "../bars/synthetic.ts";
import { decimalToNumber, formatDecimal } from "../decimal.ts";
import { backtestOptions } from "../testing/backtest-fixtures.ts";
import { ReferenceEngine } from "../testing/reference-engine.ts";
import { runBacktest, type BacktestOptions } from "./backtest.ts";
import type { EngineProgram, ProgramContext, ProgramFill, ProgramRejection } from "./program.ts";

const doing = (onBar: (context: ProgramContext) => void | Promise<void>): EngineProgram => ({ onBar });
const digest = async (given: Partial<BacktestOptions> = {}) => (await runBacktest(backtestOptions(given))).logSha256;
/** Bars of one minute from closes; each opens at the close before it. */
const barsOf = (...closes: readonly number[]) =>
  seriesFromBars(
    closes.map((close, index) => {
      const open = closes[index - 1] ?? close;
      return { time: index * 60_000, open, high: Math.max(open, close), low: Math.min(open, close), close, volume: 1000 };
    }),
    60_000,
  );
const plain = { feeBps: "0", slippageBps: "0", limits: { maxPositionRatio: "1" } };

describe("a backtest", () => {
  test("gives the same bytes twice", async () => {
    const [one, two] = [await runBacktest(backtestOptions()), await runBacktest(backtestOptions())];
    expect(two).toEqual(one);
    expect(one.trades).toBeGreaterThan(10);
  });

  const bars = syntheticBars({ seed: 1, length: 1000, timeframeMs: 60_000 });
  const changed = (column: "open" | "close" | "volume") => {
    const copy = seriesFromBars(
      Array.from({ length: bars.length }, (_, index) => barAt(bars, index)),
      60_000,
    );
    copy[column][500] = (copy[column][500] ?? 0) * 1.000_001;
    return copy;
  };
  test.each<[string, Partial<BacktestOptions>]>([
    ["one open", { bars: changed("open") }],
    ["one close", { bars: changed("close") }],
    ["one volume", { bars: changed("volume") }],
    ["the last bar", { bars: sliceSeries(bars, 0, 999) }],
    ["the fee", { feeBps: "11" }],
    ["the slippage", { slippageBps: "5.5" }],
    ["a parameter", { parameters: { fast: 6, slow: 20 } }],
    ["the starting balance", { startingBalances: [{ asset: "USDT", amount: "10000.01" }] }],
    ["a limit", { limits: { maxPositionRatio: "0.19" } }],
    ["a parameter that no decision depends on", { parameters: { fast: 5, slow: 20, unused: 1 } }],
    ["the seed", { seed: 8 }],
  ])("gives another digest when %s changes", async (_what, given) => {
    expect(await digest(given)).not.toBe(await digest({ bars }));
  });

  test("awaits a program that is asynchronous, with the same outcome", async () => {
    const { program } = backtestOptions();
    const slow: EngineProgram = {
      async onBar(context) {
        await Promise.resolve();
        await program.onBar(context);
      },
    };
    expect(await digest({ program: slow })).toBe(await digest());
  });

  test("sees no bar that has not closed", async () => {
    const times: number[][] = [];
    await runBacktest(
      backtestOptions({
        program: doing((context) => void times.push([context.time, context.bars(1)[0]?.time ?? 0])),
        bars: sliceSeries(bars, 0, 3),
      }),
    );
    expect(times.map(([decision = 0, opening = 0]) => decision - opening)).toEqual([60_000, 60_000, 60_000]);
  });

  test("lets what the program throws pass through", async () => {
    const program = doing(() => {
      throw new RangeError("bad luck");
    });
    await expect(runBacktest(backtestOptions({ program }))).rejects.toThrow("bad luck");
  });

  test("decides on nothing during the warm-up, and only on the closes that the schedule names", async () => {
    const times: number[] = [];
    const program = doing((context) => void times.push(context.time / 60_000));
    await runBacktest(
      backtestOptions({
        program,
        bars: barsOf(1, 2, 3, 4, 5, 6, 7),
        warmupBars: 3,
        decides: (closeMs) => closeMs % 120_000 === 0,
      }),
    );
    expect(times).toEqual([4, 6]);
  });
});

describe("what a backtest fills and counts", () => {
  test("a market order at the next open; the open position is marked, the last bar's orders stay unfilled", async () => {
    const program = doing((context) => {
      if (context.time === 60_000) context.buy({ quantity: "2" });
      if (context.time === 180_000) context.sell({ all: true });
    });
    const result = await runBacktest(backtestOptions({ program, bars: barsOf(100, 110, 120), ...plain }));
    expect(result).toMatchObject({ bars: 3, trades: 0, finalEquity: "10040", pnlRatio: "0.004", fees: "0" });
    expect(result.fills).toEqual([{ time: 60_000, market: "BTC/USDT", side: "buy", quantity: "2", price: "100", fee: "0" }]);
  });

  test("round trips, fees and drawdown", async () => {
    const program = doing((context) => {
      if (context.time === 60_000) context.buy({ notional: "1000" });
      if (context.time === 180_000) context.sell({ all: true });
    });
    const result = await runBacktest(backtestOptions({ program, bars: barsOf(100, 50, 80, 80), ...plain, feeBps: "100" }));
    // Buys 10 at 100 (fee 10), is at 9,490 at the low of 50, sells 10 at 80 (fee 8).
    expect(result).toMatchObject({ trades: 1, finalEquity: "9782", fees: "18", maxDrawdownRatio: "0.051" });
  });

  test("tells the program of fills and rejections before its next bar", async () => {
    const seen: string[] = [];
    const program: EngineProgram = {
      onBar(context) {
        seen.push(`bar ${context.time / 60_000}`);
        if (context.time === 60_000) {
          context.buy({ quantity: "1" });
          context.buy({ equityRatio: "1" });
          context.sell({ all: true });
        }
      },
      onFill: (_context, fill: ProgramFill) => void seen.push(`fill ${fill.side} ${fill.quantity}`),
      onReject: (_context, rejection: ProgramRejection) => void seen.push(`reject ${rejection.ordinal} ${rejection.reason}`),
    };
    await runBacktest(backtestOptions({ program, bars: barsOf(100, 100, 100), ...plain, limits: { maxPositionRatio: "0.5" } }));
    expect(seen).toEqual(["bar 1", "fill buy 1", "reject 1 POSITION_RATIO", "reject 2 NOTHING_TO_SELL", "bar 2", "bar 3"]);
  });

  test("shows working orders, and lets the program cancel and replace them", async () => {
    const seen: unknown[] = [];
    const program = doing((context) => {
      const [order] = context.orders();
      seen.push(context.orders().map(({ limit, quantity }) => `${quantity} @ ${limit}`));
      if (context.time === 60_000) context.buy({ quantity: "1", limit: "50" });
      if (context.time === 120_000 && order) context.replace(order.id, { limit: "60", quantity: "2" });
      if (context.time === 180_000 && order) context.cancel(order.id);
    });
    const { log } = await runBacktest(backtestOptions({ program, bars: barsOf(100, 100, 100, 100), ...plain }));
    expect(seen).toEqual([[], ["1 @ 50"], ["2 @ 60"], []]);
    expect(log).toContain("end 180000 60000/0 Cancelled CANCELLED_BY_OWNER filled=0");
  });

  test("cash that a working buy has reserved cannot be spent twice", async () => {
    const cash: string[] = [];
    const program = doing((context) => {
      cash.push(context.cash);
      if (context.time === 60_000) context.buy({ notional: "6000", limit: "50" });
      if (context.time === 60_000) context.buy({ notional: "6000", limit: "50" });
    });
    const { log } = await runBacktest(backtestOptions({ program, bars: barsOf(100, 100, 100), ...plain }));
    // 6,000 at the signal price of 100 are 60 units, at the limit 3,000 each.
    expect(cash).toEqual(["10000", "4000", "4000"]);
    expect(log).toContain("intent 60000 1 buy notional=6000 limit=50 -> 60");
  });

  test("starts with base units valued at the first open", async () => {
    const program = doing((context) => {
      if (context.time === 60_000) context.sell({ all: true });
    });
    const startingBalances = [
      { asset: "BTC", amount: "2" },
      { asset: "USDT", amount: "100" },
    ];
    const result = await runBacktest(backtestOptions({ program, bars: barsOf(100, 120, 150), ...plain, startingBalances }));
    expect(result).toMatchObject({ trades: 1, finalEquity: "300", pnlRatio: "0" });
  });

  test("with bars of a finer length fills on them, decides on the strategy's", async () => {
    const times: number[] = [];
    const program = doing((context) => {
      times.push(context.time / 60_000);
      if (context.time === 300_000) context.buy({ quantity: "1", stopLoss: "95" });
    });
    const finer = barsOf(100, 100, 100, 100, 100, 100, 94, 101, 102, 103);
    const result = await runBacktest(backtestOptions({ program, bars: finer, timeframe: "5m", ...plain }));
    expect(times).toEqual([5, 10]);
    expect(result.fills.map(({ time, side, price }) => [time / 60_000, side, price])).toEqual([
      [5, "buy", "100"],
      [6, "sell", "95"],
    ]);
    expect(result.bars).toBe(2);
  });

  test.each([
    ["a timeframe that the data cannot give", { timeframe: "90s" }],
    ["a timeframe that is none", { timeframe: "1x" }],
    ["a balance in another asset", { startingBalances: [{ asset: "ETH", amount: "1" }] }],
    ["no balance", { startingBalances: [] }],
    ["a negative fee", { feeBps: "-1" }],
    ["too few bars", { timeframe: "1w" }],
  ])("refuses %s", async (_what, given) => {
    await expect(runBacktest(backtestOptions(given))).rejects.toMatchObject({ code: "BACKTEST_INVALID" });
  });
});

describe("against the all-exact reference engine", () => {
  /** Asks for whatever the numbers say: every kind of order, bracket and cancel. */
  const restless: EngineProgram = {
    onBar(context) {
      const close = context.closes.at(0);
      const at = (factor: number) => (close * factor).toFixed(2);
      const draw = context.random();
      if (draw < 0.08) context.buy({ equityRatio: "0.05" });
      else if (draw < 0.16)
        context.buy({ notional: "300", limit: at(0.9995), expiresAfter: "20m", takeProfit: at(1.002), stopLoss: at(0.998) });
      else if (draw < 0.2)
        context.buy({ quantity: "0.002", limit: at(1.0005), timeInForce: context.random() < 0.5 ? "IOC" : "FOK" });
      else if (draw < 0.23) context.buy({ quantity: "0.002", limit: at(0.9999), timeInForce: "PostOnly" });
      else if (draw < 0.3) context.sell({ all: true });
      else if (draw < 0.35) context.sell({ notional: "100", limit: at(1.0005) });
      const [oldest] = context.orders();
      if (oldest && context.random() < 0.05) context.cancel(oldest.id);
    },
    onFill: (context, fill) =>
      void (context.state["fills"] = Number(context.state["fills"] ?? 0) + (fill.side === "buy" ? 1 : 2)),
    onReject: (context, { reason }) => void (context.state["rejected"] = reason),
  };

  test.each([
    ["a crossover", {}],
    ["every kind of order", { program: restless, volumeShareRatio: "0.0001" }],
    ["a coarser timeframe", { timeframe: "5m", parameters: { fast: 3, slow: 9 } }],
    ["quote volume", { program: restless, volumeUnit: "Quote" as const, volumeShareRatio: "1" }],
  ])("the log is the same to the byte: %s", async (_what, given) => {
    const options = backtestOptions({ bars: syntheticBars({ seed: 3, length: 600, timeframeMs: 60_000 }), ...given });
    const fast = await runBacktest(options);
    const slow = new ReferenceEngine(options);
    const sha256 = await slow.run();
    expect(fast.log).toBe(slow.log.text());
    expect(fast.logSha256).toBe(sha256);
    expect(fast.finalEquity).toBe(formatDecimal(slow.equities.at(-1)!));
    expect(fast.fills.length).toBeGreaterThan(5);
  });

  test("also over generated seeds, with the drawdown of the exact equities", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000_000), fc.constantFrom("0", "7.5"), async (seed, feeBps) => {
        const bars = syntheticBars({ seed, length: 200, timeframeMs: 60_000 });
        const options = backtestOptions({ bars, seed, feeBps, program: restless, volumeShareRatio: "0.0002" });
        const fast = await runBacktest(options);
        const slow = new ReferenceEngine(options);
        await slow.run();
        expect(fast.log).toBe(slow.log.text());
        let [peak, deepest] = [10_000, 0];
        for (const equity of slow.equities.map(decimalToNumber)) {
          peak = Math.max(peak, equity);
          deepest = Math.max(deepest, 1 - equity / peak);
        }
        expect(Number(fast.maxDrawdownRatio)).toBeCloseTo(deepest, 5);
      }),
      { numRuns: 10 },
    );
  });
});
