import type { BreakerKernel } from "./breaker.ts";
import { maximumOf, withValue, type RollingMaximum } from "./rolling-maximum.ts";

interface PriceDeviationMemory {
  readonly [name: string]: unknown;
  readonly markets: Readonly<Record<string, RollingMaximum>>;
}

const MAX_MARKETS = 64;

/**
 * PriceDeviation: within the rolling `window` a market's price was `threshold` away from that of the account's `referencePrice`, as a part of the
 * reference. One look is enough: a wrong price is wrong at once.
 *
 * Scope: market, the worst counts; it stops the policy. Reference: the second source. Re-arm: `cooldown` after the two have agreed for `window`.
 */
export const priceDeviation: BreakerKernel<PriceDeviationMemory> = {
  type: "PriceDeviation",
  observes: "reference",
  clock: "wall",
  manual: false,
  lasting: true,
  start: { markets: {} },
  take(memory, observation, { timeMs, config: { windowMs } }) {
    if (observation.kind !== "reference") return memory;
    const { market, price, reference } = observation;
    const before = memory.markets[market];
    if (!(reference > 0) || (before === undefined && Object.keys(memory.markets).length >= MAX_MARKETS)) return memory;
    const deviation = Math.abs(price / reference - 1);
    return { markets: { ...memory.markets, [market]: withValue(before ?? [], deviation, { timeMs, windowMs }) } };
  },
  measure({ markets }, { timeMs, config: { windowMs } }) {
    let worst: number | undefined;
    for (const window of Object.values(markets)) {
      const deviation = maximumOf(window, { timeMs, windowMs });
      if (deviation !== undefined) worst = Math.max(worst ?? 0, deviation);
    }
    return worst;
  },
  renew: () => ({ markets: {} }),
};
