import type { WireBar } from "@bellwether/trading";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** The epoch began on a Thursday; weeks begin on a Monday. */
const firstMondayMs = 4 * 86_400_000;

/** `5m` → 300000. The text has been checked at the edge. */
export function timeframeMs(timeframe: string): number {
  const unit = unitMs[timeframe.slice(-1)];
  const count = Number(timeframe.slice(0, -1));
  if (unit === undefined || !Number.isInteger(count) || count < 1) throw new RangeError(`${timeframe} is no timeframe`);
  return count * unit;
}

/** Opening time of the bar of this timeframe that holds `timeMs`. */
export function bucketStart(timeMs: number, frameMs: number): number {
  const originMs = frameMs % (unitMs["w"] ?? 1) === 0 ? firstMondayMs : 0;
  return timeMs - ((((timeMs - originMs) % frameMs) + frameMs) % frameMs);
}

/** One bar of all that lie in one interval, oldest first; undefined of none. */
export function mergeBars(time: number, bars: readonly WireBar[]): WireBar | undefined {
  const [first] = bars;
  const last = bars.at(-1);
  if (!first || !last) return undefined;
  let { high, low } = first;
  let volume = 0;
  for (const bar of bars) {
    if (bar.high > high) high = bar.high;
    if (bar.low < low) low = bar.low;
    volume += bar.volume;
  }
  return { time, open: first.open, high, low, close: last.close, volume };
}

/** Bars of a coarser timeframe, oldest first: every interval that holds a bar, the last one only when `closedBy` has reached its end. */
export function aggregate(bars: readonly WireBar[], frameMs: number, closedBy: number): readonly WireBar[] {
  const merged: WireBar[] = [];
  let start = 0;
  while (start < bars.length) {
    const bucket = bucketStart(bars[start]?.time ?? 0, frameMs);
    let end = start + 1;
    while (end < bars.length && (bars[end]?.time ?? 0) < bucket + frameMs) end += 1;
    const bar = bucket + frameMs <= closedBy ? mergeBars(bucket, bars.slice(start, end)) : undefined;
    if (bar) merged.push(bar);
    start = end;
  }
  return merged;
}
