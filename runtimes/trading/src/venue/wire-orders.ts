import { formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import { ownerOf } from "../orders/intent-id.ts";
import type { BrokerOrder, FinalOrder, WireFill } from "../wire/orders.ts";
import { restingLegs, type OrderRequest, type VenueFill, type VenueOrder } from "./paper-state.ts";

/** A final order as the paper venue takes it. Throws DECIMAL_INVALID. */
export function orderRequest(order: FinalOrder): OrderRequest {
  return {
    clientOrderId: order.clientOrderId,
    owner: ownerOf(order.intentId),
    market: order.market,
    side: order.side,
    type: order.type,
    quantity: parseDecimal(order.quantity),
    limit: optional(order.limit),
    timeInForce: order.timeInForce,
    stopLoss: optional(order.stopLoss),
    takeProfit: optional(order.takeProfit),
    maxCost: optional(order.maxCost),
    reduceOnly: order.reduceOnly,
    decisionTime: order.decisionTime,
    expiresAt: order.expiresAt,
  };
}

function optional(text: string | undefined): Decimal | undefined {
  return text === undefined ? undefined : parseDecimal(text);
}

/** A fill as it travels. Trade ids are unique per account. */
export function wireFill(fill: VenueFill, account: string): WireFill {
  const { tradeId, clientOrderId, market, side, feeAsset, time, leg } = fill;
  const [quantity, price, fee] = [formatDecimal(fill.quantity), formatDecimal(fill.price), formatDecimal(fill.fee)];
  return { account, tradeId, clientOrderId, market, side, quantity, price, fee, feeAsset, time, leg };
}

/** What a venue order adds to the final order it came from. `updatedAt` is wall time, the caller's. */
export function brokerOrderFrom(
  final: FinalOrder,
  order: VenueOrder,
  { updatedAt, reason }: { updatedAt: number; reason?: string | undefined },
): BrokerOrder {
  return {
    order: { ...final, ...changeable(order.request) },
    state: order.state,
    venueOrderId: order.venueOrderId,
    filledQuantity: formatDecimal(order.filled),
    protectiveLegs: restingLegs(order),
    ...(reason === undefined ? {} : { reason }),
    updatedAt,
  };
}

/** What a replace may have changed since the order was approved. */
function changeable({ quantity, limit, stopLoss, takeProfit }: OrderRequest): Partial<FinalOrder> {
  return {
    quantity: formatDecimal(quantity),
    ...(limit === undefined ? {} : { limit: formatDecimal(limit) }),
    ...(stopLoss === undefined ? {} : { stopLoss: formatDecimal(stopLoss) }),
    ...(takeProfit === undefined ? {} : { takeProfit: formatDecimal(takeProfit) }),
  };
}
