import type { BacktestFill, BarSeries } from "@bellwether/trading";

const DAY_MS = 86_400_000;

/** A catastrophe: more than this of the sub-account's equity is lost in a UTC day. */
export const CATASTROPHE_RATIO = 0.1;

/** The equity of a run at every close, and how much of it was in the market, reckoned from nothing but its fills. */
export interface Curve {
  readonly equity: Float64Array;
  readonly exposureRatio: Float64Array;
}

/** In floats, apart from the engine's own books: fills fold into cash and units, units are marked at each close. */
export function curveOf(bars: BarSeries, fills: readonly BacktestFill[], startingEquity: number): Curve {
  const curve = { equity: new Float64Array(bars.length), exposureRatio: new Float64Array(bars.length) };
  let [cash, units, next] = [startingEquity, 0, 0];
  for (let index = 0; index < bars.length; index++) {
    const openedAt = bars.time[index] ?? 0;
    for (let fill = fills[next]; fill !== undefined && fill.time <= openedAt; fill = fills[++next]) {
      const sign = fill.side === "buy" ? 1 : -1;
      cash -= sign * Number(fill.quantity) * Number(fill.price) + Number(fill.fee);
      units += sign * Number(fill.quantity);
    }
    const held = units * (bars.close[index] ?? 0);
    const equity = cash + held;
    curve.equity[index] = equity;
    curve.exposureRatio[index] = equity > 0 ? held / equity : 0;
  }
  return curve;
}

/** A UTC day: the deepest mark in it, against the last one before it. */
export interface DayLoss {
  readonly lossRatio: number;
  /** Index of the first bar at whose close the day was a catastrophe; undefined when it never was. */
  readonly catastropheAt: number | undefined;
  /** Index of the day's first bar. */
  readonly from: number;
}

/** The days of a run. Marked at every minute, not at the day's end: what has come back by midnight was lost all the same. */
export function dayLosses({ time, length, timeframeMs }: BarSeries, equity: Float64Array, startingEquity: number): DayLoss[] {
  const days: DayLoss[] = [];
  let before = startingEquity;
  for (let from = 0, to: number; from < length; from = to) {
    const day = dayOf((time[from] ?? 0) + timeframeMs);
    let [lossRatio, catastropheAt]: [number, number | undefined] = [0, undefined];
    for (to = from; to < length && dayOf((time[to] ?? 0) + timeframeMs) === day; to++) {
      const loss = 1 - (equity[to] ?? 0) / before;
      lossRatio = Math.max(lossRatio, loss);
      if (loss > CATASTROPHE_RATIO) catastropheAt ??= to;
    }
    days.push({ lossRatio, catastropheAt, from });
    before = equity[to - 1] ?? before;
  }
  return days;
}

/** A bar that closes at midnight belongs to the day it ends, as in the limits. */
function dayOf(closeMs: number): number {
  return Math.ceil(closeMs / DAY_MS);
}

export function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
