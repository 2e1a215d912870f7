import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type BarSeries, barsBetween, parseBars, syntheticBars, timeframeMs } from "@bellwether/trading/bars";
import type { BacktestConfig } from "../config.ts";

const unzip = promisify(gunzip);
/** What a gzipped dataset may become: 20 million bars are 1.6 GB, and a bomb is more. */
const mostBytes = 2 * 1024 ** 3;

export type ReadFile = (file: string) => Promise<Uint8Array>;

/**
 * The bars a backtest runs over, from its file or generator.
 *
 * @throws TradingError BARS_INVALID naming the lines at fault; what `readFile` throws; zlib's errors
 */
export async function loadBars(config: BacktestConfig, readFile: ReadFile): Promise<BarSeries> {
  const { dataset, gaps } = config.backtest;
  if ("synthetic" in dataset) {
    const { seed, bars } = dataset.synthetic;
    return syntheticBars({ seed, length: bars, timeframeMs: timeframeMs(config.markets[0]?.timeframe ?? "1m") });
  }
  const bytes = await readFile(dataset.file);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return parseBars(isGzip ? await unzip(bytes, { maxOutputLength: mostBytes }) : bytes, { gaps });
}

/**
 * The part of `bars` that a run shows its program: from `warmupBars` before `fromMs` up to `toMs`.
 */
export function shownBars(bars: BarSeries, config: BacktestConfig, stepMs: number): BarSeries {
  const { fromMs, toMs } = config.backtest;
  return barsBetween(bars, { fromMs: fromMs === undefined ? undefined : fromMs - config.warmupBars * stepMs, toMs });
}
