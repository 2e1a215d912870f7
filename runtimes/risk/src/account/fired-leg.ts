import { type Decimal, ZERO, add, parseDecimal, subtract } from "@bellwether/trading";
import { type AccountBook, baseOf } from "../portfolio/book.ts";
import type { Drift } from "./reconcile.ts";

/**
 * Whether a difference looks like what a leg leaves that has just fired: less of what legs rest for, by no more than they may sell, and more of the currency. The
 * broker asks about legs every second; a difference that is still there after some of its rounds is none of theirs. Such a look proves nothing by itself.
 */
export function mayBeFiredLeg(drift: readonly Drift[], book: Pick<AccountBook, "orders">, currency: string): boolean {
  const offered = new Map<string, Decimal>();
  for (const order of book.orders()) {
    if (order.protectiveLegs.length === 0) continue;
    const base = baseOf(order.order.market);
    // What the entry has bought is the most that its legs can sell.
    offered.set(base, add(offered.get(base) ?? ZERO, order.filled));
  }
  const sold = drift.filter(({ asset }) => asset !== currency);
  return sold.length > 0 && drift.every((each) => (each.asset === currency ? gone(each) < 0n : isSold(each, offered)));
}

function isSold(drift: Drift, offered: ReadonlyMap<string, Decimal>): boolean {
  const amount = gone(drift);
  return amount > 0n && amount <= (offered.get(drift.asset) ?? ZERO);
}

/** What the venue holds less than the journal. */
function gone({ journal, venue }: Drift): Decimal {
  return subtract(parseDecimal(journal), parseDecimal(venue));
}
