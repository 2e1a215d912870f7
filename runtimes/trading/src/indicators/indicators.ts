import type { Series } from "../engine/program.ts";

/**
 * Indicators over a column of bars (`context.closes`). All are functions of the bars they look at and nothing else, so that a
 * restarted agent computes what the killed one would have. They answer NaN while there are too few bars: every comparison
 * with NaN is false. `ago` shifts the window back, 0 being the bar decided on.
 */

/** Simple moving average of the last `length` values. */
export function sma(series: Series, length: number, ago = 0): number {
  if (series.length < length + ago) return Number.NaN;
  return series.sum(length, ago) / length;
}

/** Population standard deviation of the last `length` values. */
export function standardDeviation(series: Series, length: number, ago = 0): number {
  if (series.length < length + ago) return Number.NaN;
  const mean = sma(series, length, ago);
  let squares = 0;
  for (let index = length - 1; index >= 0; index--) {
    const distance = series.at(index + ago) - mean;
    squares += distance * distance;
  }
  return Math.sqrt(squares / length);
}

/** Distance of the last value from its moving average, in standard deviations; 0 while nothing moves. */
export function zScore(series: Series, length: number): number {
  const deviation = standardDeviation(series, length);
  return deviation === 0 ? 0 : (series.at(0) - sma(series, length)) / deviation;
}

/** Largest of the last `length` values. */
export function highest(series: Series, length: number, ago = 0): number {
  if (series.length < length + ago) return Number.NaN;
  let best = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < length; index++) best = Math.max(best, series.at(index + ago));
  return best;
}

/** Smallest of the last `length` values. */
export function lowest(series: Series, length: number, ago = 0): number {
  if (series.length < length + ago) return Number.NaN;
  let best = Number.POSITIVE_INFINITY;
  for (let index = 0; index < length; index++) best = Math.min(best, series.at(index + ago));
  return best;
}

/** Bars an exponential average looks back per unit of length: what lies further weighs less than e^-8. */
const emaWindows = 4;

/** Exponential moving average (α = 2 / (length + 1)) over the last 4 × length values, seeded with the oldest of them. */
export function ema(series: Series, length: number): number {
  const window = length * emaWindows;
  if (series.length < window) return Number.NaN;
  const alpha = 2 / (length + 1);
  let average = series.at(window - 1);
  for (let index = window - 2; index >= 0; index--) average += alpha * (series.at(index) - average);
  return average;
}

/** Relative strength index (Cutler's: simple averages) of the last `length` changes, 0 to 100; 50 while nothing moves. */
export function rsi(series: Series, length: number): number {
  if (series.length < length + 1) return Number.NaN;
  let gains = 0;
  let losses = 0;
  for (let index = length - 1; index >= 0; index--) {
    const change = series.at(index) - series.at(index + 1);
    if (change > 0) gains += change;
    else losses -= change;
  }
  return gains + losses === 0 ? 50 : (100 * gains) / (gains + losses);
}

/** Average true range (simple average) of the last `length` bars, in price units. */
export function atr(bars: { readonly highs: Series; readonly lows: Series; readonly closes: Series }, length: number): number {
  if (bars.closes.length < length + 1) return Number.NaN;
  let sum = 0;
  for (let index = length - 1; index >= 0; index--) {
    const previous = bars.closes.at(index + 1);
    sum += Math.max(bars.highs.at(index), previous) - Math.min(bars.lows.at(index), previous);
  }
  return sum / length;
}
