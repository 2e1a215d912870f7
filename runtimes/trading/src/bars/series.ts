import { hash } from "node:crypto";
import type { Bar } from "../engine/program.ts";
import { TradingError } from "../trading-error.ts";

/** Closed bars of one market by column, oldest first; `time` holds opening times in epoch milliseconds. All columns have `length` entries. */
export interface BarSeries {
  readonly timeframeMs: number;
  readonly length: number;
  readonly time: Float64Array;
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
}

export const barColumns = ["time", "open", "high", "low", "close", "volume"] as const;

/** Columns of `length` zeros, to be filled. */
export function emptySeries(length: number, timeframeMs: number): BarSeries {
  const column = () => new Float64Array(length);
  return {
    timeframeMs,
    length,
    time: column(),
    open: column(),
    high: column(),
    low: column(),
    close: column(),
    volume: column(),
  };
}

/** The first `length` bars, or those from `from` up to, not including, `to` (indices). Shares memory. */
export function sliceSeries(series: BarSeries, from: number, to: number): BarSeries {
  const cut = (column: Float64Array) => column.subarray(from, to);
  const { timeframeMs, time, open, high, low, close, volume } = series;
  const length = Math.max(0, Math.min(to, series.length) - from);
  return {
    timeframeMs,
    length,
    time: cut(time),
    open: cut(open),
    high: cut(high),
    low: cut(low),
    close: cut(close),
    volume: cut(volume),
  };
}

/** The bars opening at or after `fromMs` and before `toMs` (each optional). Shares memory. */
export function barsBetween(
  series: BarSeries,
  { fromMs, toMs }: { fromMs?: number | undefined; toMs?: number | undefined },
): BarSeries {
  const from = fromMs === undefined ? 0 : firstAtOrAfter(series.time, fromMs);
  const to = toMs === undefined ? series.length : firstAtOrAfter(series.time, toMs);
  return sliceSeries(series, from, Math.max(from, to));
}

/** Index of the first time ≥ `timeMs`; the length when there is none. Times ascend. */
function firstAtOrAfter(times: Float64Array, timeMs: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? Infinity) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function seriesFromBars(bars: readonly Bar[], timeframeMs: number): BarSeries {
  const series = emptySeries(bars.length, timeframeMs);
  for (const [index, bar] of bars.entries()) for (const column of barColumns) series[column][index] = bar[column];
  return series;
}

export function barAt(series: BarSeries, index: number): Bar {
  if (index < 0 || index >= series.length)
    throw new TradingError("BACKTEST_INVALID", `there is no bar ${index} of ${series.length}`);
  const cell = (column: Float64Array) => column[index] ?? Number.NaN;
  return {
    time: cell(series.time),
    open: cell(series.open),
    high: cell(series.high),
    low: cell(series.low),
    close: cell(series.close),
    volume: cell(series.volume),
  };
}

const digests = new WeakMap<BarSeries, string>();

/** SHA-256 over every column's bytes (little-endian doubles): two series with one different bar differ. Computed once per series. */
export function seriesSha256(series: BarSeries): string {
  const known = digests.get(series);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(barColumns.length * series.length * 8);
  for (const [index, name] of barColumns.entries()) {
    const { buffer, byteOffset, byteLength } = series[name];
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), index * series.length * 8);
  }
  const digest = hash("sha256", bytes, "hex");
  digests.set(series, digest);
  return digest;
}
