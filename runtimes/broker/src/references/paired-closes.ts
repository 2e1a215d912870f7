import type { WireBar } from "@bellwether/trading";

/** Two closes of one minute. `timeMs`: its opening. */
export interface PairedClose {
  readonly timeMs: number;
  readonly own: number;
  readonly other: number;
}

/** Minutes remembered of each side: one side may be late, or have had no trade. */
const mostMinutes = 5;
const mostMarkets = 64;

interface Closes {
  readonly own: Map<number, number>;
  readonly other: Map<number, number>;
}

/**
 * Closes of two sources by their minute. Compared is only what belongs to one minute: the newest prices of two sources may be a minute apart, in which a market
 * moves by more than its sources ever differ.
 */
export class PairedCloses {
  readonly #markets = new Map<string, Closes>();

  /** Markets that the own side has shown. */
  get markets(): readonly string[] {
    return [...this.#markets].flatMap(([market, { own }]) => (own.size > 0 ? [market] : []));
  }

  /** Takes a close of the own side. A market too many is left out. */
  own(market: string, bar: WireBar): void {
    keep(this.#closesOf(market)?.own, bar);
  }

  /** Takes a close of the second source, which may be the first to tell a minute. */
  other(market: string, bar: WireBar): void {
    keep(this.#closesOf(market)?.other, bar);
  }

  /** The newest minute that both have told; undefined when there is none among the last five of each. */
  newest(market: string): PairedClose | undefined {
    const closes = this.#markets.get(market);
    let best: PairedClose | undefined;
    for (const [timeMs, own] of closes?.own ?? []) {
      const other = closes?.other.get(timeMs);
      if (other !== undefined && (best === undefined || timeMs > best.timeMs)) best = { timeMs, own, other };
    }
    return best;
  }

  #closesOf(market: string): Closes | undefined {
    const known = this.#markets.get(market);
    if (known || this.#markets.size >= mostMarkets) return known;
    const closes = { own: new Map<number, number>(), other: new Map<number, number>() };
    this.#markets.set(market, closes);
    return closes;
  }
}

function keep(closes: Map<number, number> | undefined, { time, close }: WireBar): void {
  if (!closes) return;
  closes.set(time, close);
  if (closes.size > mostMinutes) closes.delete(Math.min(...closes.keys()));
}
