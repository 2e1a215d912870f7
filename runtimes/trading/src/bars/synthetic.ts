import { emptySeries, type BarSeries } from "./series.ts";

export interface SyntheticOptions {
  /** Whole number; the same seed gives the same bars, and more bars only continue them. */
  readonly seed: number;
  readonly length: number;
  readonly timeframeMs: number;
  /** Opening time of the first bar. Default 2024-01-01T00:00:00Z. */
  readonly startMs?: number;
}

const START_MS = Date.UTC(2024, 0, 1);
const FIRST_PRICE = 40_000;
/** Standard deviation of a one-minute return; longer bars grow with the square root of their length. */
const MINUTE_VOLATILITY = 0.0006;
/** A trend lasts between these many bars, then another begins. */
const [SHORTEST_TREND, LONGEST_TREND] = [60, 600];
const STEPS_PER_BAR = 4;

/**
 * A synthetic market, for demonstrations and tests; nothing in it ever traded. A random walk whose drift changes its sign and
 * strength every 60 to 600 bars and whose volatility follows with it, so that trend followers and their opponents both find
 * something to do; prices are whole cents, volume (base units) grows with the size of the move.
 *
 * Only +, −, × and / and one square root of a constant are used: the bars are the same on every machine.
 */
export function syntheticBars(options: SyntheticOptions): BarSeries {
  return syntheticStretch(options, undefined).series;
}

/** Where a synthetic market stands after some bars: small enough to keep many, so that any part of a long market can be made again. */
export interface SyntheticPosition {
  readonly index: number;
  readonly randomState: number;
  readonly price: number;
  readonly trend: Trend;
}

interface Trend {
  readonly barsLeft: number;
  readonly drift: number;
  readonly volatility: number;
}

/** `length` bars from a position on (from the beginning without one), and the position behind them. */
export function syntheticStretch(
  { seed, length, timeframeMs, startMs = START_MS }: SyntheticOptions,
  from: SyntheticPosition | undefined,
): { readonly series: BarSeries; readonly end: SyntheticPosition } {
  const series = emptySeries(length, timeframeMs);
  const volatility = MINUTE_VOLATILITY * Math.sqrt(timeframeMs / 60_000);
  const random = new Mulberry(from?.randomState ?? seed);
  const uniform = () => random.next();
  const begin = from?.index ?? 0;
  let price = from?.price ?? FIRST_PRICE;
  let trend = from?.trend ?? { barsLeft: 0, drift: 0, volatility };
  for (let index = 0; index < length; index++) {
    if (trend.barsLeft === 0) trend = nextTrend(uniform, volatility);
    trend = { ...trend, barsLeft: trend.barsLeft - 1 };
    const open = price;
    let [high, low] = [open, open];
    for (let step = 0; step < STEPS_PER_BAR; step++) {
      price = cents(price * (1 + trend.drift / STEPS_PER_BAR + (trend.volatility * bell(uniform)) / 2));
      high = Math.max(high, price);
      low = Math.min(low, price);
    }
    series.time[index] = startMs + (begin + index) * timeframeMs;
    series.open[index] = open;
    series.high[index] = high;
    series.low[index] = low;
    series.close[index] = price;
    series.volume[index] = Math.round((5 + uniform() * 20 + ((high - low) / open) * 20_000) * 1000) / 1000;
  }
  return { series, end: { index: begin + length, randomState: random.state, price, trend } };
}

function nextTrend(random: () => number, volatility: number): Trend {
  const barsLeft = SHORTEST_TREND + Math.floor(random() * (LONGEST_TREND - SHORTEST_TREND));
  // At most a fifth of a bar's volatility: visible over hours, lost in the noise of minutes.
  return { barsLeft, drift: (random() - 0.5) * 0.4 * volatility, volatility: volatility * (0.6 + random() * 0.8) };
}

function cents(price: number): number {
  return Math.max(1, Math.round(price * 100)) / 100;
}

/** Roughly normal with deviation 1: the sum of three uniforms, scaled. */
function bell(random: () => number): number {
  return (random() + random() + random() - 1.5) * 2;
}

/** Mulberry32: small, fast, integer arithmetic only. Uniform in [0, 1). */
export function seededUniform(seed: number): () => number {
  const random = new Mulberry(seed);
  return () => random.next();
}

class Mulberry {
  state: number;

  constructor(state: number) {
    this.state = state >>> 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    const { state } = this;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
