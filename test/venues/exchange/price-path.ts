import { type Decimal, decimalFromNumber, floorToStep, formatDecimal, parseDecimal } from "@bellwether/trading";

/** A price somebody has set by hand, from then on. */
export interface SetPrice {
  readonly fromMs: number;
  readonly price: string;
}

export interface PricePathOptions {
  readonly tickSize: Decimal;
  /** Price around which a generated path swings. */
  readonly start: string;
  readonly seed: number;
  /** Minute closes by opening time of the minute, in place of a generated path (recorded prices). */
  readonly recorded?: ReadonlyMap<number, number>;
}

export type Candle = readonly [openMs: number, open: number, high: number, low: number, close: number, volume: number];

const minuteMs = 60_000;
const samplesPerMinute = 6;

/**
 * Where a market's price is at any instant, so that any candle can be computed again by a test: a sum of three waves whose phases come from the
 * seed, or recorded minutes, until somebody sets it by hand.
 */
export class PricePath {
  readonly #options: PricePathOptions;
  readonly #set: SetPrice[] = [];
  /** Minutes the exchange gives no candle for, as after an outage. */
  readonly left = new Set<number>();

  constructor(options: PricePathOptions) {
    this.#options = options;
  }

  set(change: SetPrice): void {
    this.#set.push(change);
  }

  get changes(): readonly SetPrice[] {
    return this.#set;
  }

  at(timeMs: number): Decimal {
    const manual = this.#set.findLast((change) => change.fromMs <= timeMs);
    if (manual) return parseDecimal(manual.price);
    return floorToStep(decimalFromNumber(this.#generated(timeMs)), this.#options.tickSize);
  }

  /** The candle opening at `openMs`; undefined where all its minutes are left out. A running one ends at `nowMs`. */
  candle(openMs: number, frameMs: number, nowMs: number): Candle | undefined {
    let merged: Candle | undefined;
    for (let minute = openMs; minute < openMs + frameMs && minute <= nowMs; minute += minuteMs) {
      if (this.left.has(minute)) continue;
      const prices = this.#samples(minute, Math.min(minute + minuteMs - 1, nowMs));
      const [open = 0] = prices;
      const close = prices.at(-1) ?? open;
      const [high, low] = [Math.max(...prices), Math.min(...prices)];
      merged = merged
        ? [openMs, merged[1], Math.max(merged[2], high), Math.min(merged[3], low), close, merged[5] + 10]
        : [openMs, open, high, low, close, 10];
    }
    return merged;
  }

  #samples(fromMs: number, toMs: number): number[] {
    const step = minuteMs / samplesPerMinute;
    const times = Array.from({ length: samplesPerMinute }, (_, index) => fromMs + index * step).filter((time) => time <= toMs);
    const changes = this.#set.map((change) => change.fromMs).filter((time) => time > fromMs && time <= toMs);
    return [...times, ...changes, toMs].sort((a, b) => a - b).map((time) => Number(formatDecimal(this.at(time))));
  }

  #generated(timeMs: number): number {
    const { recorded, seed, start } = this.#options;
    const known = recorded?.get(timeMs - (timeMs % minuteMs));
    if (known !== undefined) return known;
    const base = Number(start);
    const wave = (periodMs: number, share: number): number => share * base * Math.sin((2 * Math.PI * timeMs) / periodMs + seed);
    return base + wave(17 * 60_000, 0.004) + wave(4 * 3_600_000, 0.012) + wave(26 * 3_600_000, 0.03);
  }
}
