import { type WireBar, barOpening } from "@bellwether/trading";

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
    const bucket = barOpening(bars[start]?.time ?? 0, frameMs);
    let end = start + 1;
    while (end < bars.length && (bars[end]?.time ?? 0) < bucket + frameMs) end += 1;
    const bar = bucket + frameMs <= closedBy ? mergeBars(bucket, bars.slice(start, end)) : undefined;
    if (bar) merged.push(bar);
    start = end;
  }
  return merged;
}
