import type { BreakerKernel } from "./breaker.ts";

interface MarketVolatility {
  readonly price: number;
  readonly timeMs: number;
  /** Variance of the log price per second: of the last `window`, and of 24 times that. */
  readonly recent: number;
  readonly usual: number;
  /** How long the market has been watched. */
  readonly seenMs: number;
}

interface VolatilitySpikeMemory {
  readonly [name: string]: unknown;
  readonly markets: Readonly<Record<string, MarketVolatility>>;
}

const MAX_MARKETS = 64;
/** The usual is an average over this many windows. */
const USUAL_WINDOWS = 24;
/** Nothing is said before a market has been watched for this many windows. */
const WARM_UP_WINDOWS = 4;

/**
 * VolatilitySpike: the volatility of one market over about `window` is `threshold` times its usual one, that of about 24 windows. Both are exponentially weighted
 * means of squared log returns per second, so that bars of any length and gaps between them fit; at first they are plain means.
 *
 * Scope: market, the worst counts; it stops the policy. Reference: the same market's own past. Re-arm: `cooldown` after it has fallen below the threshold.
 */
export const volatilitySpike: BreakerKernel<VolatilitySpikeMemory> = {
  type: "VolatilitySpike",
  observes: "price",
  clock: "market",
  manual: false,
  lasting: true,
  start: { markets: {} },
  take(memory, observation, { timeMs, config: { windowMs } }) {
    if (observation.kind !== "price" || !(observation.price > 0)) return memory;
    const { market, price } = observation;
    const before = memory.markets[market];
    if (before === undefined && Object.keys(memory.markets).length >= MAX_MARKETS) return memory;
    if (before !== undefined && timeMs <= before.timeMs) return memory;
    const after =
      before === undefined ? { price, timeMs, recent: 0, usual: 0, seenMs: 0 } : moved(before, { price, timeMs, windowMs });
    return { markets: { ...memory.markets, [market]: after } };
  },
  measure({ markets }, { config: { windowMs } }) {
    let worst: number | undefined;
    for (const { recent, usual, seenMs } of Object.values(markets)) {
      if (seenMs < WARM_UP_WINDOWS * windowMs || usual <= 0) continue;
      worst = Math.max(worst ?? 0, Math.sqrt(recent / usual));
    }
    return worst;
  },
  renew: (memory) => memory,
};

function moved(before: MarketVolatility, now: { price: number; timeMs: number; windowMs: number }): MarketVolatility {
  const elapsedMs = now.timeMs - before.timeMs;
  const change = Math.log(now.price / before.price);
  const variance = (change * change * 1_000) / elapsedMs;
  const seenMs = before.seenMs + elapsedMs;
  const weight = (spanMs: number): number => Math.max(1 - Math.exp(-elapsedMs / spanMs), elapsedMs / seenMs);
  return {
    price: now.price,
    timeMs: now.timeMs,
    recent: before.recent + weight(now.windowMs) * (variance - before.recent),
    usual: before.usual + weight(now.windowMs * USUAL_WINDOWS) * (variance - before.usual),
    seenMs,
  };
}
