import type { WireBar } from "@bellwether/trading";
import type { BarSeries } from "../venue/market-feed.ts";

/** More than the longest lookback of a policy's sizing. */
const maxCloses = 5_001;

interface Closes {
  lastTimeMs: number;
  closes: number[];
  /** Bars of the past have been asked for. */
  filled: boolean;
}

/** The last closes of each market and timeframe, oldest first. Figures for sizing, never money. */
export class CloseHistory {
  readonly #series = new Map<string, Closes>();

  /** Takes a closed bar; one that is not newer than the last changes nothing. */
  add(series: BarSeries, { time, close }: WireBar): void {
    const known = this.#of(series);
    if (time <= known.lastTimeMs) return;
    known.lastTimeMs = time;
    known.closes.push(close);
    // In pieces: shifting an array with every bar is dear.
    if (known.closes.length > 2 * maxCloses) known.closes = known.closes.slice(-maxCloses);
  }

  isFilled(series: BarSeries): boolean {
    return this.#of(series).filled;
  }

  /** Puts bars of the past, oldest first, before those that have come in. */
  prepend(series: BarSeries, bars: readonly WireBar[]): void {
    const known = this.#of(series);
    const since = known.lastTimeMs;
    const live = known.closes;
    known.filled = true;
    const newest = bars.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
    if (live.length === 0 || newest >= since) {
      known.closes = bars.map(({ close }) => close);
      known.lastTimeMs = Math.max(since, newest);
      return;
    }
    known.closes = [...bars.map(({ close }) => close), ...live].slice(-maxCloses);
  }

  /** At most the newest `count`. */
  latest(series: BarSeries, count: number): readonly number[] {
    return this.#of(series).closes.slice(-count);
  }

  #of({ market, timeframe }: BarSeries): Closes {
    const key = `${market}|${timeframe}`;
    const known = this.#series.get(key) ?? { lastTimeMs: Number.NEGATIVE_INFINITY, closes: [], filled: false };
    this.#series.set(key, known);
    return known;
  }
}
