import { type FinalOrder, type OrderState, ZERO, canonicalOrder, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { BookOrder } from "../portfolio/book.ts";

export interface OrderFixture {
  readonly id?: string;
  readonly strategyUid?: string;
  readonly intentId?: string;
  readonly market?: string;
  readonly side?: "buy" | "sell";
  readonly quantity?: string;
  readonly limit?: string;
  /** Expected cost of a buy; its bound is the same unless given. */
  readonly reservation?: string;
  readonly maxCost?: string;
  readonly state?: OrderState;
  readonly known?: boolean;
  readonly protectiveLegs?: readonly ("stopLoss" | "takeProfit")[];
  readonly cancelRequested?: "entry" | "all";
}

/** An order of strategy `s-1`: a buy of 1 BTC for 100 unless said otherwise, approved and unknown to the broker. */
export function bookOrder(fixture: OrderFixture): BookOrder {
  const { id = "order-1", strategyUid = "s-1", market = "BTC/USDT", side = "buy", quantity = "1", reservation = "100" } = fixture;
  const order: FinalOrder = {
    account: "paper",
    clientOrderId: id,
    intentId: fixture.intentId ?? `${strategyUid}/1/0/0`,
    attempt: 1,
    market,
    side,
    type: fixture.limit === undefined ? "market" : "limit",
    quantity,
    ...(fixture.limit !== undefined && { limit: fixture.limit }),
    timeInForce: "GTC",
    reduceOnly: side === "sell",
    decisionTime: 0,
  };
  const expected = side === "buy" ? parseDecimal(reservation) : ZERO;
  return {
    order,
    body: canonicalOrder(order),
    strategyUid,
    epoch: 1,
    quantity: parseDecimal(quantity),
    reservation: expected,
    maxCost: side === "buy" ? parseDecimal(fixture.maxCost ?? formatDecimal(expected)) : ZERO,
    createdAtMs: 0,
    state: fixture.state ?? "Approved",
    filled: ZERO,
    spent: ZERO,
    known: fixture.known ?? false,
    venueOrderId: undefined,
    protectiveLegs: fixture.protectiveLegs ?? [],
    reason: undefined,
    updatedAtMs: 0,
    cancelRequested: fixture.cancelRequested,
    releaseStored: false,
  };
}
