import { TradingError } from "../trading-error.ts";
import type { OrderState } from "../wire/orders.ts";

/**
 *   Approved ──► AboutToSend ──► Working ──► Filled | Cancelled | Expired | Rejected
 *      │              │  └─────────────────────▲
 *      │              ▼                        │
 *      │           Unknown ──► what the venue says, or NotSent once it is provably absent
 *      └──► NotSent   (the approval ran out before anything was sent)
 *
 * Nothing returns to Approved or AboutToSend: nothing is ever sent again. A working order never becomes Unknown: what the
 * venue once acknowledged stays acknowledged while the line is down.
 */
export const orderTransitions: Readonly<Record<OrderState, readonly OrderState[]>> = {
  Approved: ["AboutToSend", "NotSent"],
  AboutToSend: ["Working", "Unknown", "Filled", "Cancelled", "Expired", "Rejected"],
  Unknown: ["Working", "Filled", "Cancelled", "Expired", "Rejected", "NotSent"],
  Working: ["Filled", "Cancelled", "Expired", "Rejected"],
  Filled: [],
  Cancelled: [],
  Expired: [],
  Rejected: [],
  NotSent: [],
};

/** True when an order in `from` may become `to`. Staying in a state is always allowed (a partial fill, a repeated report). */
export function canBecome(from: OrderState, to: OrderState): boolean {
  return from === to || orderTransitions[from].includes(to);
}

/** `to`, or ORDER_TRANSITION_INVALID when the table has no such arrow. */
export function transition(from: OrderState, to: OrderState): OrderState {
  if (!canBecome(from, to)) {
    throw new TradingError("ORDER_TRANSITION_INVALID", `an order cannot go from ${from} to ${to}`, { context: { from, to } });
  }
  return to;
}

/** True when an order in this state counts against limits: everything approved that the venue has not ended. */
export function isOpen(state: OrderState): boolean {
  return orderTransitions[state].length > 0;
}
