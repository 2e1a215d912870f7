import { TradingError } from "../trading-error.ts";
import { emptySeries, sliceSeries, type BarSeries } from "./series.ts";
import { barOpening } from "./timeframe.ts";

/** Coarser bars, and for each where its finer ones end: bar i is made of the finer bars from ends[i − 1] (or `begin`) to ends[i]. */
export interface AggregatedBars {
  readonly series: BarSeries;
  /** Index of the first finer bar that belongs to a coarser one. */
  readonly begin: number;
  readonly ends: Int32Array;
}

/**
 * Bars of `lengthMs` made of finer ones; a coarser bar's volume is the sum. Bars whose beginning or end the data does not
 * cover are left out, so that none is decided on before it has closed. Throws BACKTEST_INVALID when the lengths do not divide.
 */
export function aggregateBars(fine: BarSeries, lengthMs: number): AggregatedBars {
  if (lengthMs % fine.timeframeMs !== 0 || lengthMs < fine.timeframeMs) {
    throw new TradingError("BACKTEST_INVALID", `bars of ${lengthMs} ms cannot be made of bars of ${fine.timeframeMs} ms`, {
      context: { wantedMs: lengthMs, dataMs: fine.timeframeMs },
    });
  }
  const starts = groupStarts(fine, lengthMs);
  const [first = 0] = starts;
  const begin = isOpening(fine, first, lengthMs) ? first : (starts[1] ?? fine.length);
  const groups = starts.filter((start) => start >= begin);
  const coarse = emptySeries(groups.length, lengthMs);
  const ends = new Int32Array(groups.length);
  for (const [index, start] of groups.entries()) {
    const end = groups[index + 1] ?? fine.length;
    ends[index] = end;
    writeGroup({ fine, coarse, index }, start, end);
  }
  const complete = lastIsClosed(fine, lengthMs) ? groups.length : groups.length - 1;
  return { series: sliceSeries(coarse, 0, Math.max(0, complete)), begin, ends: ends.subarray(0, Math.max(0, complete)) };
}

function groupStarts({ time, length }: BarSeries, lengthMs: number): number[] {
  const starts: number[] = [];
  let opening = Number.NaN;
  for (let index = 0; index < length; index++) {
    const current = barOpening(time[index] ?? 0, lengthMs);
    if (current !== opening) starts.push(index);
    opening = current;
  }
  return starts;
}

function isOpening({ time }: BarSeries, index: number, lengthMs: number): boolean {
  const timeMs = time[index] ?? 0;
  return barOpening(timeMs, lengthMs) === timeMs;
}

function lastIsClosed({ time, length, timeframeMs }: BarSeries, lengthMs: number): boolean {
  const last = time[length - 1] ?? 0;
  return last + timeframeMs === barOpening(last, lengthMs) + lengthMs;
}

interface Group {
  readonly fine: BarSeries;
  readonly coarse: BarSeries;
  readonly index: number;
}

function writeGroup({ fine, coarse, index }: Group, start: number, end: number): void {
  let [high, low, volume] = [-Infinity, Infinity, 0];
  for (let at = start; at < end; at++) {
    high = Math.max(high, fine.high[at] ?? high);
    low = Math.min(low, fine.low[at] ?? low);
    volume += fine.volume[at] ?? 0;
  }
  coarse.time[index] = barOpening(fine.time[start] ?? 0, coarse.timeframeMs);
  coarse.open[index] = fine.open[start] ?? 0;
  coarse.high[index] = high;
  coarse.low[index] = low;
  coarse.close[index] = fine.close[end - 1] ?? 0;
  coarse.volume[index] = volume;
}
