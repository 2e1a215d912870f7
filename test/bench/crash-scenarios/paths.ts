import type { Random } from "@bellwether/service-kit/random";
import { type BarSeries, type FeeSpike, emptySeries } from "@bellwether/trading";

/** Minutes of a block: long enough to keep how a fall unfolds, short enough that three days are drawn from 72 of them. */
export const BLOCK_MINUTES = 60;
/** The part of all blocks, the deepest falls of an hour, that crashes are drawn from. */
const CRASH_POOL_RATIO = 0.1;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** Every path begins at this midnight (UTC); nothing of the real month's calendar is kept. */
const PATH_BEGIN_MS = Date.UTC(2022, 2, 1);
const FIRST_PRICE = 40_000;

/** Crash: a day of ordinary hours, one with a crash in it, one after it. Ordinary: hours of the whole month. Calm: hours that are in no crash. */
export type PathKind = "crash" | "ordinary" | "calm";

const DAYS: Readonly<Record<PathKind, number>> = { crash: 3, ordinary: 7, calm: 7 };

export interface PricePath {
  /** A minute a bar; without those of a stretch in which the venue was stale. */
  readonly bars: BarSeries;
  readonly feeSpikes: readonly FeeSpike[];
  readonly injected: { readonly gaps: number; readonly staleMinutes: number; readonly feeSpikes: number };
}

/** The blocks of a month, by the number of their first bar. */
export interface BlockPool {
  readonly bars: BarSeries;
  readonly all: readonly number[];
  readonly crash: readonly number[];
  readonly calm: readonly number[];
}

/** Every hour of the data, from any minute on (a moving block bootstrap), ranked by how far it fell. */
export function blockPool(bars: BarSeries): BlockPool {
  const starts: number[] = [];
  for (let start = 1; start + BLOCK_MINUTES <= bars.length; start++) starts.push(start);
  const moveOf = (start: number): number => (bars.close[start + BLOCK_MINUTES - 1] ?? 0) / (bars.close[start - 1] ?? 1);
  const ranked = starts.toSorted((left, right) => moveOf(left) - moveOf(right) || left - right);
  const crashes = Math.floor(ranked.length * CRASH_POOL_RATIO);
  return { bars, all: starts, crash: ranked.slice(0, crashes), calm: ranked.slice(crashes) };
}

/** What one path is made of. Minutes count from its begin. */
interface Plan {
  readonly kind: PathKind;
  /** The crash: its hours, and how much larger than real every move in them is. */
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly scale: number;
  /** Falls between two minutes, as parts of the price. */
  readonly gaps: ReadonlyMap<number, number>;
  readonly stale: readonly (readonly [from: number, to: number])[];
  readonly feeSpikes: readonly FeeSpike[];
}

const between = (random: Random, least: number, most: number): number => least + random.next() * (most - least);
const wholeBetween = (random: Random, least: number, most: number): number => Math.floor(between(random, least, most + 1));

/** Half of all crashes have each of a gap, a stale venue and a fee spike, independently. */
function planCrash(random: Random): Plan {
  const fromMinute = DAY_MINUTES + wholeBetween(random, 2, 14) * 60;
  const toMinute = fromMinute + wholeBetween(random, 2, 8) * 60;
  const scale = between(random, 1, 3);
  const gaps = new Map<number, number>();
  if (random.next() < 0.5) {
    for (let left = wholeBetween(random, 1, 2); left > 0; left--) {
      gaps.set(wholeBetween(random, fromMinute, toMinute - 1), between(random, 0.01, 0.06));
    }
  }
  const stale: (readonly [number, number])[] = [];
  if (random.next() < 0.5) {
    const from = wholeBetween(random, fromMinute, toMinute - 31);
    stale.push([from, from + wholeBetween(random, 5, 30)]);
  }
  const feeSpikes: FeeSpike[] = [];
  if (random.next() < 0.5) {
    const fromMs = PATH_BEGIN_MS + (fromMinute - wholeBetween(random, 0, 60)) * MINUTE_MS;
    feeSpikes.push({ fromMs, toMs: fromMs + wholeBetween(random, 60, 360) * MINUTE_MS, feeBps: wholeBetween(random, 50, 200) });
  }
  return { kind: "crash", fromMinute, toMinute, scale, gaps, stale, feeSpikes };
}

function planOf(kind: PathKind, random: Random): Plan {
  if (kind === "crash") return planCrash(random);
  return { kind, fromMinute: 0, toMinute: 0, scale: 1, gaps: new Map(), stale: [], feeSpikes: [] };
}

/** One path, the same for the same pool and the same numbers of `random`. */
export function drawPath(kind: PathKind, pool: BlockPool, random: Random): PricePath {
  const plan = planOf(kind, random);
  const whole = DAYS[kind] * DAY_MINUTES;
  const series = emptySeries(whole, MINUTE_MS);
  let price = FIRST_PRICE;
  for (let begin = 0; begin < whole; begin += BLOCK_MINUTES) {
    const inCrash = begin >= plan.fromMinute && begin < plan.toMinute;
    const blocks = inCrash ? pool.crash : kind === "calm" ? pool.calm : pool.all;
    const start = blocks[Math.floor(random.next() * blocks.length)] ?? 1;
    price = appendBlock({ series, begin, price }, { bars: pool.bars, start }, plan);
  }
  const { gaps, stale, feeSpikes } = plan;
  const staleMinutes = stale.reduce((sum, [from, to]) => sum + to - from, 0);
  return { bars: without(series, stale), feeSpikes, injected: { gaps: gaps.size, staleMinutes, feeSpikes: feeSpikes.length } };
}

/** Copies the moves of a block's bars, from the close before each on, and returns the last close. Prices are whole cents. */
function appendBlock(
  to: { readonly series: BarSeries; readonly begin: number; readonly price: number },
  { bars, start }: { readonly bars: BarSeries; readonly start: number },
  plan: Plan,
): number {
  let { price } = to;
  for (let offset = 0; offset < BLOCK_MINUTES; offset++) {
    const [source, target] = [start + offset, to.begin + offset];
    const scale = target >= plan.fromMinute && target < plan.toMinute ? plan.scale : 1;
    const before = bars.close[source - 1] ?? 1;
    const from = price * (1 - (plan.gaps.get(target) ?? 0));
    const moved = (column: Float64Array): number => cents(from * ((column[source] ?? before) / before) ** scale);
    to.series.time[target] = PATH_BEGIN_MS + target * MINUTE_MS;
    to.series.open[target] = moved(bars.open);
    to.series.high[target] = moved(bars.high);
    to.series.low[target] = moved(bars.low);
    to.series.close[target] = price = moved(bars.close);
    to.series.volume[target] = bars.volume[source] ?? 0;
  }
  return price;
}

const cents = (price: number): number => Math.max(0.01, Math.round(price * 100) / 100);

/** A stale venue shows nothing: the minutes are missing, and the first bar after them opens where the price has gone meanwhile. */
function without(series: BarSeries, stretches: readonly (readonly [number, number])[]): BarSeries {
  const kept: number[] = [];
  for (let index = 0; index < series.length; index++) {
    if (!stretches.some(([from, to]) => index >= from && index < to)) kept.push(index);
  }
  if (kept.length === series.length) return series;
  const pick = (column: Float64Array): Float64Array => Float64Array.from(kept, (index) => column[index] ?? 0);
  const { timeframeMs, time, open, high, low, close, volume } = series;
  return {
    timeframeMs,
    length: kept.length,
    time: pick(time),
    open: pick(open),
    high: pick(high),
    low: pick(low),
    close: pick(close),
    volume: pick(volume),
  };
}
