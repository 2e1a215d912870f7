import type { BreakerKernel } from "./breaker.ts";

interface VenueStaleMemory {
  readonly [name: string]: unknown;
  /** When each account's venue was fresh last. */
  readonly freshAtMs: Readonly<Record<string, number>>;
}

/**
 * VenueStale: for `window` an account's venue has not shown fresh prices: its broker does not answer, its feed is stale or has failed, or the chain's
 * slots stand still. Without fresh marks neither loss nor limit means anything. The measure is in seconds.
 *
 * Scope: account, the worst counts; it stops the policy. Reference: the last fresh look. Re-arm: by itself, `cooldown` after prices are fresh again.
 */
export const venueStale: BreakerKernel<VenueStaleMemory> = {
  type: "VenueStale",
  observes: "venues",
  clock: "wall",
  manual: false,
  lasting: true,
  start: { freshAtMs: {} },
  take(memory, observation, { timeMs }) {
    if (observation.kind !== "venues") return memory;
    // Accounts that are gone from the policy are forgotten; one that was never fresh is stale from when it was seen first.
    const entries = Object.entries(observation.fresh).map(([account, fresh]) => [
      account,
      fresh ? timeMs : (memory.freshAtMs[account] ?? timeMs),
    ]);
    return { freshAtMs: Object.fromEntries(entries) as Record<string, number> };
  },
  measure({ freshAtMs }, { timeMs }) {
    let oldest: number | undefined;
    for (const fresh of Object.values(freshAtMs)) oldest = Math.min(oldest ?? fresh, fresh);
    return oldest === undefined ? undefined : Math.max(0, (timeMs - oldest) / 1_000);
  },
  renew: ({ freshAtMs }, timeMs) => ({
    freshAtMs: Object.fromEntries(Object.keys(freshAtMs).map((account) => [account, timeMs])),
  }),
};
