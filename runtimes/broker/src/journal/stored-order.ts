import {
  type BrokerOrder,
  type FinalOrder,
  type OrderState,
  orderState,
  parseCanonicalOrder,
  terminalOrderStates,
} from "@bellwether/trading";

/** A row of broker.orders. Amounts are canonical decimal text. */
export interface StoredOrder {
  readonly order: FinalOrder;
  /** The canonical text that was signed. */
  readonly body: string;
  readonly state: OrderState;
  readonly venueOrderId?: string;
  readonly filledQuantity: string;
  readonly protectiveLegs: readonly ("stopLoss" | "takeProfit")[];
  readonly reason?: string;
  readonly cancelRequested?: CancelLegs;
  /** Wall time stamped into the request; absent for a tombstone. */
  readonly aboutToSendAtMs?: number;
  readonly updatedAtMs: number;
  readonly revision: string;
}

export type CancelLegs = "entry" | "all";

export interface OrderRow {
  readonly body: string;
  readonly state: string;
  readonly venue_order_id: string | null;
  readonly filled_quantity: string;
  readonly protective_legs: ("stopLoss" | "takeProfit")[];
  readonly reason: string | null;
  readonly cancel_requested: CancelLegs | null;
  readonly about_to_send_at_ms: string | null;
  readonly updated_at_ms: string;
  readonly revision: string;
}

/** What every statement that answers with orders selects or returns. */
export const orderColumns = `body, state, venue_order_id, trim_scale(filled_quantity)::text as filled_quantity, protective_legs, reason,
  cancel_requested, about_to_send_at_ms, floor(extract(epoch from updated_at) * 1000)::bigint as updated_at_ms, revision`;

export function storedOrder(row: OrderRow): StoredOrder {
  return {
    order: parseCanonicalOrder(row.body),
    body: row.body,
    state: orderState.parse(row.state),
    filledQuantity: row.filled_quantity,
    protectiveLegs: row.protective_legs,
    updatedAtMs: Number(row.updated_at_ms),
    revision: row.revision,
    ...(row.venue_order_id === null ? {} : { venueOrderId: row.venue_order_id }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.cancel_requested === null ? {} : { cancelRequested: row.cancel_requested }),
    ...(row.about_to_send_at_ms === null ? {} : { aboutToSendAtMs: Number(row.about_to_send_at_ms) }),
  };
}

/** The order as it travels. */
export function brokerOrderOf(stored: StoredOrder): BrokerOrder {
  return {
    order: stored.order,
    state: stored.state,
    filledQuantity: stored.filledQuantity,
    protectiveLegs: [...stored.protectiveLegs],
    updatedAt: stored.updatedAtMs,
    ...(stored.venueOrderId === undefined ? {} : { venueOrderId: stored.venueOrderId }),
    ...(stored.reason === undefined ? {} : { reason: stored.reason }),
  };
}

/** Something may still happen to it at the venue: not terminal, or protective legs rest there. */
export function isTracked(stored: Pick<StoredOrder, "state" | "protectiveLegs">): boolean {
  return !terminalOrderStates.has(stored.state) || stored.protectiveLegs.length > 0;
}
