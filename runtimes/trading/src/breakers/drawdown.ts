import type { BreakerKernel } from "./breaker.ts";

interface DrawdownMemory {
  readonly [name: string]: unknown;
  /** Highest equity − transfers; absent before the first mark. */
  readonly peak?: number;
  readonly profit: number;
  readonly transfers: number;
}

/**
 * Drawdown: the policy's equity is `threshold` below its peak, marked to market. `window` and `cooldown` play no part.
 *
 * Scope: policy. Reference: the highest equity since the policy began or a person last armed it, moved by transfers. Re-arm: only by a person, from the
 * equity of that moment.
 */
export const drawdown: BreakerKernel<DrawdownMemory> = {
  type: "Drawdown",
  observes: "equity",
  clock: "market",
  manual: true,
  lasting: true,
  start: { profit: 0, transfers: 0 },
  take(memory, observation) {
    if (observation.kind !== "equity") return memory;
    const { equity, transfers } = observation;
    const profit = equity - transfers;
    const peak = Math.max(memory.peak ?? profit, profit);
    if (peak === memory.peak && profit === memory.profit && transfers === memory.transfers) return memory;
    return { peak, profit, transfers };
  },
  measure({ peak, profit, transfers }) {
    if (peak === undefined || peak + transfers <= 0) return undefined;
    return (peak - profit) / (peak + transfers);
  },
  renew: (memory) => ({ ...memory, ...(memory.peak !== undefined && { peak: memory.profit }) }),
};
