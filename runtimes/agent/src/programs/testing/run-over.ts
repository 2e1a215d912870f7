import { type BacktestResult, runBacktest } from "@bellwether/trading/backtest";
import { seriesFromBars } from "@bellwether/trading/bars";
import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import { rulesFromSymbol } from "@bellwether/trading/market-terms";
import { bindProgram } from "../../interface/define-strategy.ts";
import type { ParameterValue } from "../../interface/parameters.ts";
import { builtinProgram } from "../builtins.ts";

export interface TestBar {
  readonly close: number;
  readonly high?: number;
  readonly low?: number;
}

/** A market that has just been somewhere: so many bars at one price. */
export const flat = (price: number, count: number): TestBar[] => Array.from({ length: count }, () => ({ close: price }));
/** So many bars from one price to another. */
export const ramp = (from: number, to: number, count: number): TestBar[] =>
  Array.from({ length: count }, (_, index) => ({ close: from + ((to - from) * (index + 1)) / count }));

/** Runs a builtin, by its name or with models that it may ask, over one-minute bars that open where the last one closed; no fees, no slippage, and no limits to speak of. */
export async function runOver(
  asked: string | { readonly name: string; readonly models: ModelPort },
  bars: readonly TestBar[],
  parameters: Readonly<Record<string, ParameterValue>> = {},
): Promise<BacktestResult> {
  const { name, models } = typeof asked === "string" ? { name: asked, models: noModels } : asked;
  const program = bindProgram(builtinProgram(name), parameters);
  const market = rulesFromSymbol("BTC/USDT");
  if (!market) throw new TypeError("BTC/USDT is a market");
  const series = bars.map(({ close, high, low }, index) => {
    const open = bars[index - 1]?.close ?? close;
    return {
      time: index * 60_000,
      open,
      close,
      high: high ?? Math.max(open, close),
      low: low ?? Math.min(open, close),
      volume: 1_000_000,
    };
  });
  return runBacktest({
    program,
    parameters: program.parameters,
    market,
    timeframe: "1m",
    bars: seriesFromBars(series, 60_000),
    volumeUnit: "Base",
    feeBps: 0,
    slippageBps: 0,
    limits: { maxPositionRatio: "1", maxOpenOrders: 100 },
    startingBalances: [{ asset: "USDT", amount: "10000" }],
    seed: 1,
    models,
  });
}

/** `minute side price` of every fill, to compare at a glance. */
export const fillsOf = ({ fills }: BacktestResult): string[] =>
  fills.map(({ time, side, price }) => `${time / 60_000} ${side} ${price}`);
