import type { WireBar } from "@bellwether/trading";

/** Bars of one market in order, reachable by position: all of a replay's past and future. */
export interface BarSource {
  /** Identity of the data. */
  readonly digest: string;
  readonly baseMs: number;
  readonly count: number;
  /** `index` from 0 to `count` − 1. */
  bar(index: number): WireBar;
  timeAt(index: number): number;
  /** Position of the first bar opening at or after `timeMs`; `count` when there is none. */
  indexFrom(timeMs: number): number;
}

/** Bars from `from` on, before `to` (positions). */
export function sliceOf(source: BarSource, from: number, to: number): readonly WireBar[] {
  const bars: WireBar[] = [];
  for (let index = Math.max(0, from); index < Math.min(to, source.count); index += 1) bars.push(source.bar(index));
  return bars;
}
