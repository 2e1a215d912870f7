import { isOpen } from "@bellwether/trading";
import { isFlattening } from "./flatten-ordinals.ts";
import type { BookOrder } from "../portfolio/book.ts";

/** Why working orders must go. */
export interface SettlementWorld {
  /** Approvals being handed over by this process right now. */
  readonly inFlight: ReadonlySet<string>;
  readonly halted: boolean;
  /** Everything is being sold: nothing but the sells themselves may work. Protective legs stay until a sell takes their place. */
  readonly flattening?: boolean;
  /** Strategies whose working orders are to be cancelled: suspended ones. */
  readonly suspended: ReadonlySet<string>;
  /** Strategies that are being sold for good: as with a flattening. */
  readonly sold: ReadonlySet<string>;
  /** Strategies of which nothing may rest at the venue, protective legs included: deleted ones that are kept as they are. */
  readonly deleted: ReadonlySet<string>;
}

/**
 *   no row at the broker ── being sent by this process ──► wait
 *          │ no
 *          └────────────────────────────────────────────► void   (the broker knows it after all, or never will)
 *   row, open ── cancelled by program, halt, suspension, deletion, flattening ──► cancel the entry
 *   row, ended, legs rest ── cancelled by program, or deleted and kept ─────────► cancel the legs
 *   otherwise ──► wait: the broker's next row says what became of it
 */
export type SettlementStep =
  { readonly step: "wait" } | { readonly step: "void" } | { readonly step: "cancel"; readonly legs: "entry" | "all" };

const wait: SettlementStep = { step: "wait" };

/**
 * What is owed to one order now. An approved order without a row at the broker was cut off between commit and send, by a crash, a refusal or a lost
 * answer: it is never sent again, but only a durable NotSent of the broker ends it. Time ends nothing.
 */
export function planSettlement(order: BookOrder, world: SettlementWorld): SettlementStep {
  const { clientOrderId, reduceOnly } = order.order;
  if (!order.known) return world.inFlight.has(clientOrderId) ? wait : { step: "void" };

  const { strategyUid } = order;
  const deleted = world.deleted.has(strategyUid);
  if (isOpen(order.state)) {
    const haltsEntry = world.halted && !reduceOnly;
    // What is sold for a deletion or a flattening is sold once everything else is gone: its own orders are not what is taken back.
    const ends = deleted || world.sold.has(strategyUid) || world.flattening === true || world.suspended.has(strategyUid);
    const goes = order.cancelRequested !== undefined || haltsEntry || (ends && !isFlattening(order.order.intentId));
    return goes ? { step: "cancel", legs: deleted ? "all" : "entry" } : wait;
  }
  if (order.protectiveLegs.length === 0) return wait;
  return deleted || order.cancelRequested === "all" ? { step: "cancel", legs: "all" } : wait;
}
