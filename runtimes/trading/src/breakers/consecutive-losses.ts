import type { BreakerKernel } from "./breaker.ts";

interface ConsecutiveLossesMemory {
  readonly [name: string]: unknown;
  /** Times of the losing round trips since the last winning one, by strategy. */
  readonly losses: Readonly<Record<string, readonly number[]>>;
}

/** Strategies remembered; a policy has fewer. */
const MAX_SCOPES = 500;

/**
 * ConsecutiveLosses: one strategy has closed `threshold` round trips in a row at a loss, fees included, all within `window`.
 *
 * Scope: strategy, the worst counts; it stops the policy. Reference: the strategy's last winning round trip. Re-arm: `cooldown` after the trip; counting begins
 * anew at the trip.
 */
export const consecutiveLosses: BreakerKernel<ConsecutiveLossesMemory> = {
  type: "ConsecutiveLosses",
  observes: "roundTrip",
  clock: "market",
  manual: false,
  lasting: false,
  start: { losses: {} },
  take(memory, observation, { timeMs, config }) {
    if (observation.kind !== "roundTrip") return memory;
    const { scope, profit } = observation;
    const { [scope]: before = [], ...others } = memory.losses;
    if (profit >= 0) return before.length === 0 ? memory : { losses: others };
    if (before.length === 0 && Object.keys(others).length >= MAX_SCOPES) return memory;
    return { losses: { ...others, [scope]: [...before, timeMs].slice(-(config.threshold ?? 1)) } };
  },
  measure({ losses }, { timeMs, config: { windowMs } }) {
    let longest = 0;
    for (const times of Object.values(losses)) {
      longest = Math.max(longest, times.filter((time) => time > timeMs - windowMs).length);
    }
    return longest;
  },
  renew: () => ({ losses: {} }),
};
