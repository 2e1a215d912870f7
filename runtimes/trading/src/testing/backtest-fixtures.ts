import { syntheticBars } from "../bars/synthetic.ts";
import type { BacktestOptions } from "../engine/backtest.ts";
import type { EngineProgram } from "../engine/program.ts";
import { sma } from "../indicators/indicators.ts";
import { rulesFromSymbol } from "../venue/market-terms.ts";

/** Buys when the fast average is above the slow one, sells all when it is below. */
const crossover: EngineProgram<{ readonly fast: number; readonly slow: number }> = {
  onBar(context) {
    const { fast, slow } = context.parameters;
    const [quick, lazy] = [sma(context.closes, fast), sma(context.closes, slow)];
    const trend = quick > lazy ? "up" : quick < lazy ? "down" : undefined;
    if (trend === undefined || trend === context.state["trend"]) return;
    context.state["trend"] = trend;
    const flat = Number(context.position.quantity) === 0;
    if (trend === "up" && flat) context.buy({ equityRatio: "0.2" });
    if (trend === "down" && !flat) context.sell({ all: true });
  },
};

/** A thousand synthetic minutes of BTC/USDT with the crossover, 10,000 USDT, fees and slippage. */
export function backtestOptions(given: Partial<BacktestOptions> = {}): BacktestOptions {
  return {
    program: crossover,
    parameters: { fast: 5, slow: 20 },
    market: rulesFromSymbol("BTC/USDT")!,
    timeframe: "1m",
    bars: syntheticBars({ seed: 1, length: 1000, timeframeMs: 60_000 }),
    volumeUnit: "Base",
    feeBps: "10",
    slippageBps: "5",
    limits: {},
    startingBalances: [{ asset: "USDT", amount: "10000" }],
    seed: 7,
    keepLog: true,
    ...given,
  };
}
