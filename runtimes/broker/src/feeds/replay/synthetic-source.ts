import { type BarSeries, type SyntheticPosition, type WireBar, barAt, syntheticStretch } from "@bellwether/trading";
import type { BarSource } from "./bar-source.ts";

const minuteMs = 60_000;
const startMs = Date.UTC(2024, 0, 1);
/** Bars made at once. */
const stretchBars = 4_096;
/** Stretches kept: 24 × 4,096 bars are 5 MB. */
const stretchesKept = 24;
/** Ten years of minutes: six days at a speed of 600. */
const defaultBars = 5_256_000;

/**
 * The generated demo market: one-minute bars, the same for the same seed as in a backtest. Made where it is looked at; kept are only the
 * latest stretches and, for each one passed, the few numbers from which it can be made again.
 */
export class SyntheticSource implements BarSource {
  readonly digest: string;
  readonly baseMs = minuteMs;
  readonly count: number;
  readonly #seed: number;
  /** Where stretch i begins. */
  readonly #positions: (SyntheticPosition | undefined)[] = [undefined];
  readonly #stretches = new Map<number, BarSeries>();

  constructor(seed: number, count = defaultBars) {
    this.#seed = seed;
    this.count = count;
    this.digest = `synthetic/1 seed=${seed} bars=1m`;
  }

  bar(index: number): WireBar {
    return barAt(this.#stretch(Math.floor(index / stretchBars)), index % stretchBars);
  }

  timeAt(index: number): number {
    return startMs + index * minuteMs;
  }

  indexFrom(timeMs: number): number {
    return Math.min(this.count, Math.max(0, Math.ceil((timeMs - startMs) / minuteMs)));
  }

  #stretch(number: number): BarSeries {
    const kept = this.#stretches.get(number);
    if (kept) return kept;
    for (let before = this.#positions.length - 1; before < number; before += 1) this.#make(before);
    return this.#make(number);
  }

  #make(number: number): BarSeries {
    const { series, end } = syntheticStretch(
      { seed: this.#seed, length: stretchBars, timeframeMs: minuteMs, startMs },
      this.#positions[number],
    );
    this.#positions[number + 1] ??= end;
    this.#stretches.set(number, series);
    const [oldest] = this.#stretches.keys();
    if (this.#stretches.size > stretchesKept && oldest !== undefined) this.#stretches.delete(oldest);
    return series;
  }
}
