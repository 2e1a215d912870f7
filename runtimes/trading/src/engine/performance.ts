const DAY_MS = 86_400_000;
const DAYS_PER_YEAR = 365;

/**
 * Drawdown and Sharpe ratio of an equity curve, marked at every close in floats: they are figures to look at, not money.
 * `mark` runs once per bar, so it divides only when a new low below the peak is met.
 */
export class Performance {
  #peak: number;
  /** Equity below this is a deeper drawdown than any before. */
  #floor: number;
  #maxDrawdown = 0;
  #nextDayMs = Number.NEGATIVE_INFINITY;
  #last: number;
  readonly #dayEnds: number[] = [];

  constructor(startingEquity: number) {
    this.#peak = startingEquity;
    this.#floor = startingEquity;
    this.#last = startingEquity;
  }

  /** @param closeMs market time of the close; equity is the value at it */
  mark(closeMs: number, equity: number): void {
    // A bar that closes at midnight belongs to the day it ends.
    if (closeMs > this.#nextDayMs) this.#endDay(closeMs);
    this.#last = equity;
    if (equity > this.#peak) {
      this.#peak = equity;
      this.#floor = equity * (1 - this.#maxDrawdown);
    } else if (equity < this.#floor) {
      this.#maxDrawdown = 1 - equity / this.#peak;
      this.#floor = equity;
    }
  }

  #endDay(closeMs: number): void {
    this.#dayEnds.push(this.#last);
    this.#nextDayMs = Math.ceil(closeMs / DAY_MS) * DAY_MS;
  }

  /** Highest equity so far. */
  get peakEquity(): number {
    return this.#peak;
  }

  /** Equity at the last close of the UTC day before; the starting equity on the first day. */
  get dayStartEquity(): number {
    return this.#dayEnds.at(-1) ?? this.#last;
  }

  get maxDrawdownRatio(): number {
    return this.#maxDrawdown;
  }

  /**
   * Mean over sample standard deviation of the daily returns (UTC days, the first and the last may be parts of one), times √365;
   * the risk-free rate is 0. Zero with fewer than two days, or when nothing moved.
   */
  sharpe(): number {
    const ends = [...this.#dayEnds, this.#last];
    const returns: number[] = [];
    for (let index = 1; index < ends.length; index++) {
      const before = ends[index - 1] ?? 0;
      if (before > 0) returns.push((ends[index] ?? 0) / before - 1);
    }
    if (returns.length < 2) return 0;
    const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
    const variance = returns.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (returns.length - 1);
    return variance === 0 ? 0 : (mean / Math.sqrt(variance)) * Math.sqrt(DAYS_PER_YEAR);
  }
}
