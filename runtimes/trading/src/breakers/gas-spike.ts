import { percentileOf, withQuote, type FeeHistory } from "../gas/fee-history.ts";
import type { BreakerKernel } from "./breaker.ts";

interface GasSpikeMemory {
  readonly [name: string]: unknown;
  readonly accounts: Readonly<Record<string, { readonly history: FeeHistory; readonly latest: number }>>;
}

const MAX_ACCOUNTS = 16;

/**
 * GasSpike: what one account's chain asks for a transaction is `threshold` times the usual, the 75th percentile of the rolling `window`
 * (see {@link import("../gas/fee-history.ts").percentileOf}; nothing is said before it is known).
 *
 * Scope: account, the worst counts; it stops the policy. Reference: the chain's own fees of the window. Re-arm: `cooldown` after the fee has fallen.
 */
export const gasSpike: BreakerKernel<GasSpikeMemory> = {
  type: "GasSpike",
  observes: "fee",
  clock: "wall",
  manual: false,
  lasting: true,
  start: { accounts: {} },
  take(memory, observation, { timeMs, config: { windowMs } }) {
    if (observation.kind !== "fee") return memory;
    const { account, fee } = observation;
    const before = memory.accounts[account];
    if (before === undefined && Object.keys(memory.accounts).length >= MAX_ACCOUNTS) return memory;
    const history = withQuote(before?.history ?? [], fee, { timeMs, windowMs });
    return { accounts: { ...memory.accounts, [account]: { history, latest: fee } } };
  },
  measure({ accounts }, { timeMs, config: { windowMs } }) {
    let worst: number | undefined;
    for (const { history, latest } of Object.values(accounts)) {
      const usual = percentileOf(history, { timeMs, windowMs });
      if (usual !== undefined && usual > 0) worst = Math.max(worst ?? 0, latest / usual);
    }
    return worst;
  },
  renew: () => ({ accounts: {} }),
};
