import type { BreakerKernel } from "./breaker.ts";
import { maximumOf, withValue, type RollingMaximum } from "./rolling-maximum.ts";

interface RapidLossMemory {
  readonly [name: string]: unknown;
  /** Highest profits of the window. */
  readonly window: RollingMaximum;
  /** equity − transfers: a deposit is no gain and a withdrawal no loss. */
  readonly profit: number;
  readonly transfers: number;
}

/**
 * RapidLoss: the policy has lost `threshold` of its highest equity within the rolling `window`, marked to market.
 *
 * Scope: policy. Reference: the highest equity of the window, moved by transfers. Re-arm: `cooldown` after the trip; the window begins anew at the
 * trip, so that only a further loss holds it longer.
 */
export const rapidLoss: BreakerKernel<RapidLossMemory> = {
  type: "RapidLoss",
  observes: "equity",
  clock: "market",
  manual: false,
  lasting: false,
  start: { window: [], profit: 0, transfers: 0 },
  take(memory, observation, { timeMs, config: { windowMs } }) {
    if (observation.kind !== "equity") return memory;
    const { equity, transfers } = observation;
    const profit = equity - transfers;
    const window = withValue(memory.window, profit, { timeMs, windowMs });
    if (window === memory.window && profit === memory.profit && transfers === memory.transfers) return memory;
    return { window, profit, transfers };
  },
  measure({ window, profit, transfers }, { timeMs, config: { windowMs } }) {
    const highest = maximumOf(window, { timeMs, windowMs });
    if (highest === undefined || highest + transfers <= 0) return undefined;
    return Math.max(0, (highest - profit) / (highest + transfers));
  },
  renew: (memory) => ({ ...memory, window: [] }),
};
