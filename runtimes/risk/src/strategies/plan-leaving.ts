import { formatDecimal } from "@bellwether/trading";
import type { AccountBook } from "../portfolio/book.ts";
import { type Handover, holdingsOf } from "./plan-deletion.ts";

/** What a strategy gives back to the account it leaves, or why it has to stay. */
export type Leaving =
  | { readonly leaves: true; readonly balances: readonly Handover[] }
  | { readonly leaves: false; readonly workingOrders: number; readonly because: string };

/**
 *   orders open or legs resting ─► stays
 *   deleted ─────────────────────► leaves everything to `unassigned`
 *   holds more than cash ────────► stays: a position without its strategy would have nobody who decides about it
 *   flat ────────────────────────► leaves its cash to `unassigned`
 */
export function planLeaving(book: AccountBook, uid: string, isDeleted: boolean): Leaving {
  const workingOrders = book.orders(uid).length;
  if (workingOrders > 0) return { leaves: false, workingOrders, because: `${workingOrders} of its orders are open` };
  const balances = holdingsOf(book, uid);
  const held = balances.filter(({ cost }) => cost !== undefined);
  if (isDeleted || held.length === 0) return { leaves: true, balances };
  const shown = held.map(({ asset, amount }) => `${formatDecimal(amount)} ${asset}`).join(", ");
  return { leaves: false, workingOrders, because: `it holds ${shown}` };
}
