import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { type StrategyFigures, describeMeasure, measureAlert } from "./strategy-alert.ts";

const figures = (change: Partial<Record<"startingCapital" | "equity" | "peakEquity", string>> = {}): StrategyFigures => ({
  startingCapital: parseDecimal(change.startingCapital ?? "1000"),
  equity: parseDecimal(change.equity ?? "950"),
  peakEquity: parseDecimal(change.peakEquity ?? "1000"),
  decisionLatencyMs: 40,
  barAgeMs: 61_000,
});

describe("an alert of a strategy", () => {
  test.each([
    { metric: "pnlRatio", threshold: "-0.04", given: figures(), breached: true, value: "-0.05" },
    { metric: "pnlRatio", threshold: "-0.05", given: figures(), breached: false, value: "-0.05" },
    { metric: "pnlRatio", threshold: "-0.06", given: figures(), breached: false, value: "-0.05" },
    { metric: "equity", threshold: "960", given: figures(), breached: true, value: "950" },
    { metric: "equity", threshold: "950", given: figures(), breached: false, value: "950" },
    { metric: "drawdownRatio", threshold: "0.04", given: figures(), breached: true, value: "0.05" },
    { metric: "drawdownRatio", threshold: "0.05", given: figures(), breached: false, value: "0.05" },
    { metric: "drawdownRatio", threshold: "0.01", given: figures({ equity: "1200" }), breached: false, value: "0" },
    { metric: "decisionLatency", threshold: "39", given: figures(), breached: true, value: "40" },
    { metric: "decisionLatency", threshold: "5000", given: figures(), breached: false, value: "40" },
    { metric: "barAge", threshold: "60000", given: figures(), breached: true, value: "61000" },
  ] as const)("$metric at $threshold: $breached", ({ metric, threshold, given, breached, value }) => {
    expect(measureAlert({ name: "a", metric, threshold }, given)).toEqual({ breached, value: parseDecimal(value) });
  });

  test.each([
    { metric: "pnlRatio", given: figures({ startingCapital: "0" }) },
    { metric: "drawdownRatio", given: figures({ equity: "0", peakEquity: "0" }) },
    { metric: "decisionLatency", given: { ...figures(), decisionLatencyMs: undefined } },
    { metric: "barAge", given: { ...figures(), barAgeMs: undefined } },
  ] as const)("$metric is not known without what it is made of", ({ metric, given }) => {
    expect(measureAlert({ name: "a", metric, threshold: "0" }, given)).toBeUndefined();
  });

  test("is told with its numbers and units", () => {
    const said = (metric: "pnlRatio" | "barAge", threshold: string): string => {
      const rule = { name: "a", metric, threshold };
      return describeMeasure(rule, measureAlert(rule, figures())!);
    };
    expect(said("pnlRatio", "-0.04")).toBe("pnlRatio is -0.05, below -0.04");
    expect(said("barAge", "60000")).toBe("barAge is 61000 ms, above 60000 ms");
    expect(said("barAge", "70000")).toBe("barAge is 61000 ms, not above 70000 ms");
  });
});
