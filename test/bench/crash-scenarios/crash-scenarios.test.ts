import { seededRandom } from "@bellwether/service-kit/random";
import { seriesFromBars, seriesSha256, syntheticBars } from "@bellwether/trading";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { protectedArm, UNPROTECTED } from "./arms.ts";
import { exposureKept, pairsOf } from "./experiment.ts";
import { measurePath } from "./measure.ts";
import { curveOf, dayLosses } from "./outcome.ts";
import { pairedReduction } from "./paired-reduction.ts";
import { BLOCK_MINUTES, blockPool, drawPath, type PathKind } from "./paths.ts";
import { CANDIDATE, DEVELOPMENT, EVALUATION } from "./seeds.ts";

const MINUTE_MS = 60_000;
const synthetic = syntheticBars({ seed: 5, length: 6_000, timeframeMs: MINUTE_MS });
// In quote units, as in the real month: no order waits for volume.
const pool = blockPool({ ...synthetic, volume: synthetic.volume.map((volume) => volume * 1e6) });

describe("paths", () => {
  test("crashes are drawn from the hours that fell deepest, calm from the others", () => {
    const fall = (start: number) => pool.bars.close[start + BLOCK_MINUTES - 1]! / pool.bars.close[start - 1]!;
    expect(pool.crash.length).toBe(Math.floor(pool.all.length / 10));
    expect(pool.crash.length + pool.calm.length).toBe(pool.all.length);
    expect(Math.max(...pool.crash.map(fall))).toBeLessThanOrEqual(Math.min(...pool.calm.map(fall)));
  });

  test("are bars on a rising grid of minutes whose high and low hold open and close, the same for the same seed", () => {
    const kinds = fc.constantFrom<PathKind>("crash", "calm", "ordinary");
    fc.assert(
      fc.property(kinds, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (kind, seed) => {
        const { bars, injected } = drawPath(kind, pool, seededRandom(seed));
        expect(bars.length + injected.staleMinutes).toBe((kind === "crash" ? 3 : 7) * 1_440);
        expect(seriesSha256(drawPath(kind, pool, seededRandom(seed)).bars)).toBe(seriesSha256(bars));
        if (kind !== "crash") expect(injected).toEqual({ gaps: 0, staleMinutes: 0, feeSpikes: 0 });
        for (let index = 0; index < bars.length; index++) {
          const [time, open, high] = [bars.time[index]!, bars.open[index]!, bars.high[index]!];
          const [low, close, before] = [bars.low[index]!, bars.close[index]!, bars.time[index - 1] ?? 0];
          if (time % MINUTE_MS !== 0 || time <= before) throw new Error(`bar ${index} at ${time} after ${before}`);
          if (!(low > 0 && low <= Math.min(open, close) && high >= Math.max(open, close)))
            throw new Error(`bar ${index}: ${open} ${high} ${low} ${close}`);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("have gaps, stale venues and fee spikes in about half of all crashes each", () => {
    const drawn = Array.from({ length: 200 }, (_, seed) => drawPath("crash", pool, seededRandom(seed)).injected);
    for (const what of ["gaps", "staleMinutes", "feeSpikes"] as const) {
      const struck = drawn.filter((injected) => injected[what] > 0).length;
      expect(struck).toBeGreaterThan(70);
      expect(struck).toBeLessThan(130);
    }
  });
});

describe("outcome", () => {
  const barsAt = (...cells: readonly (readonly [time: number, close: number])[]) =>
    seriesFromBars(
      cells.map(([time, close]) => ({ time, open: close, high: close, low: close, close, volume: 1 })),
      MINUTE_MS,
    );
  const midnight = Date.UTC(2022, 2, 2);

  test("a curve is cash and units at each close, fees taken", () => {
    const fills = [
      { time: 0, market: "BTC/USDT", side: "buy" as const, quantity: "1", price: "50", fee: "1" },
      { time: 2 * MINUTE_MS, market: "BTC/USDT", side: "sell" as const, quantity: "1", price: "40", fee: "1" },
    ];
    const bars = barsAt([0, 60], [MINUTE_MS, 45], [2 * MINUTE_MS, 10]);
    const { equity, exposureRatio } = curveOf(bars, fills, 100);
    expect([...equity]).toEqual([109, 94, 88]);
    expect([...exposureRatio].map((ratio) => Math.round(ratio * 100))).toEqual([55, 48, 0]);
  });

  test.each([
    { what: "a tenth exactly is none", equity: [100, 90, 100], struck: [undefined] },
    { what: "more than a tenth is one, though it comes back", equity: [100, 89.9, 100], struck: [1] },
    {
      what: "a day begins with the last mark of the one before",
      equity: [100, 95, 85],
      time: [-2, -1, 0],
      struck: [undefined, 2],
    },
    { what: "two days, neither of them one", equity: [100, 91, 83], time: [-2, -1, 0], struck: [undefined, undefined] },
  ])("$what", ({ equity, struck, time = [0, 1, 2] }) => {
    const bars = barsAt(...time.map((minute): [number, number] => [midnight + minute * MINUTE_MS, 1]));
    const days = dayLosses(bars, Float64Array.from(equity), 100);
    expect(days.map(({ catastropheAt }) => catastropheAt)).toEqual(struck);
  });
});

describe("paired reduction", () => {
  const pairs = (count: number, unprotected: number, protectedOnes: number) =>
    Array.from({ length: count }, () => ({ unprotected, protected: protectedOnes }));

  test.each([
    { what: "all paths alike leave no doubt", given: pairs(50, 2, 1), ratio: 0.5, least: 0.5, most: 0.5 },
    { what: "nothing left: the exact bound", given: pairs(59, 1, 0), ratio: 1, least: 0.95, most: 0.951 },
    { what: "nothing to take away", given: pairs(10, 0, 0), ratio: 0, least: 0, most: 0 },
    // 90 of 100: the normal approximation says 0.851.
    { what: "a tenth is left", given: [...pairs(90, 1, 0), ...pairs(10, 1, 1)], ratio: 0.9, least: 0.83, most: 0.87 },
  ])("$what", ({ given, ratio, least, most }) => {
    const reduction = pairedReduction(given, seededRandom(1));
    expect(reduction.ratio).toBeCloseTo(ratio, 9);
    expect(reduction.lowerBound).toBeGreaterThanOrEqual(least - 1e-9);
    expect(reduction.lowerBound).toBeLessThanOrEqual(most + 1e-9);
  });
});

describe("experiment", () => {
  test("both arms have the same position caps; the protected one what a policy has that names nothing", () => {
    const { limits, circuitBreakers } = protectedArm();
    for (const cap of ["maxPositionRatio", "maxTokenConcentrationRatio", "maxOrderNotional", "maxOpenOrders"] as const)
      expect(limits[cap]).toBe(UNPROTECTED.limits[cap]);
    expect(UNPROTECTED.circuitBreakers).toEqual([]);
    expect(circuitBreakers.map(({ type }) => type)).toEqual(["RapidLoss", "Drawdown"]);
    expect(limits.maxDailyLossRatio).toBe("0.05");
  });

  test("no seed is looked at and judged by", () => {
    for (const kind of ["crash", "ordinary", "calm"] as const) {
      const { firstSeed, paths } = DEVELOPMENT[kind];
      expect(firstSeed + paths).toBeLessThanOrEqual(EVALUATION[kind].firstSeed);
      expect(EVALUATION[kind].firstSeed + EVALUATION[kind].paths).toBeLessThanOrEqual(CANDIDATE[kind].firstSeed);
    }
  });

  test("runs five programs under both arms on one path, the same twice", async () => {
    const runs = await measurePath({ kind: "crash", seed: 1 }, pool, protectedArm());
    expect(runs.map(({ program }) => program)).toEqual(["momentum", "mean-reversion", "breakout", "grid", "dca"]);
    expect(await measurePath({ kind: "crash", seed: 1 }, pool, protectedArm())).toEqual(runs);
    expect(pairsOf(runs)).toHaveLength(1);
    expect(exposureKept(runs)).toBeGreaterThan(0);
  });

  test("without anything that trips or limits both arms are the same", async () => {
    const runs = await measurePath({ kind: "crash", seed: 2 }, pool, UNPROTECTED);
    for (const run of runs) expect(run.protected).toEqual(run.unprotected);
  });
});
