import type { BreakerKernel } from "./breaker.ts";

/** [slot, orders, rejected of them], slots rising. */
type Counts = readonly (readonly [slot: number, orders: number, rejected: number])[];

interface RejectRateMemory {
  readonly [name: string]: unknown;
  readonly accounts: Readonly<Record<string, Counts>>;
}

const MAX_ACCOUNTS = 16;
const SLOTS = 60;
/** Fewer orders than this say nothing. */
const MIN_ORDERS = 5;

/**
 * RejectRate: of one account's orders of the rolling `window`, five at least, the venue has refused the part `threshold`.
 *
 * Scope: account, the worst counts; it stops the policy. Reference: the orders of the window. Re-arm: `cooldown` after the trip; counting begins anew at the trip.
 */
export const rejectRate: BreakerKernel<RejectRateMemory> = {
  type: "RejectRate",
  observes: "order",
  clock: "wall",
  manual: false,
  lasting: false,
  start: { accounts: {} },
  take(memory, observation, { timeMs, config: { windowMs } }) {
    if (observation.kind !== "order") return memory;
    const { account, rejected } = observation;
    const before = memory.accounts[account];
    if (before === undefined && Object.keys(memory.accounts).length >= MAX_ACCOUNTS) return memory;
    const slot = slotOf(timeMs, windowMs);
    const kept = (before ?? []).filter(([at]) => at > slot - SLOTS);
    const last = kept.at(-1);
    const [orders, refused] = last?.[0] === slot ? [last[1], last[2]] : [0, 0];
    const others = last?.[0] === slot ? kept.slice(0, -1) : kept;
    return { accounts: { ...memory.accounts, [account]: [...others, [slot, orders + 1, refused + (rejected ? 1 : 0)]] } };
  },
  measure({ accounts }, { timeMs, config: { windowMs } }) {
    const oldest = slotOf(timeMs, windowMs) - SLOTS;
    let worst: number | undefined;
    for (const counts of Object.values(accounts)) {
      let [orders, refused] = [0, 0];
      for (const [slot, count, rejected] of counts) {
        if (slot <= oldest) continue;
        orders += count;
        refused += rejected;
      }
      if (orders >= MIN_ORDERS) worst = Math.max(worst ?? 0, refused / orders);
    }
    return worst;
  },
  renew: () => ({ accounts: {} }),
};

function slotOf(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / (windowMs / SLOTS));
}
