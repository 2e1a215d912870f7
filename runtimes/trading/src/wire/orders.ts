import { z } from "zod";
import { decimalString, instantMs, positiveDecimalString, symbol } from "./decimal-string.ts";
import { side, timeInForce } from "./intents.ts";

/**
 * The states of a submission. `Approved` (risk committed it) → `AboutToSend` (broker fsynced it) → `Unknown` | `Working` →
 * terminal `Filled` | `Cancelled` | `Expired` | `Rejected` | `NotSent`. Partial fills show in `filledQuantity`.
 */
export const orderState = z.enum([
  "Approved",
  "AboutToSend",
  "Unknown",
  "Working",
  "Filled",
  "Cancelled",
  "Expired",
  "Rejected",
  "NotSent",
]);
export type OrderState = z.infer<typeof orderState>;
export const terminalOrderStates: ReadonlySet<OrderState> = new Set<OrderState>([
  "Filled",
  "Cancelled",
  "Expired",
  "Rejected",
  "NotSent",
]);

/** What an approval is bound to: the order in its final form. Serialised by `canonicalOrder` (trading/src/orders/canonical.ts), never by JSON.stringify of this. */
export const finalOrder = z.strictObject({
  account: z.string().max(40),
  /** 32 lower-case hex characters: 128-bit digest of intentId and attempt. */
  clientOrderId: z.string().max(64),
  intentId: z.string().max(200),
  attempt: z.int().positive(),
  market: symbol,
  side,
  type: z.enum(["market", "limit"]),
  quantity: positiveDecimalString,
  limit: positiveDecimalString.optional(),
  timeInForce,
  stopLoss: positiveDecimalString.optional(),
  takeProfit: positiveDecimalString.optional(),
  /** Most quote currency the order may cost, fee and slippage included: the sub-account's cash at the verdict. A paper venue clips to it. Buys only. */
  maxCost: positiveDecimalString.optional(),
  /** Sells that only shrink a position. */
  reduceOnly: z.boolean(),
  /** Market time the order was decided at. The paper venue fills market orders at the open of the first bar opening at or after max(this, its own acceptance). */
  decisionTime: instantMs,
  /** Market time at which a working order is cancelled by the venue. */
  expiresAt: instantMs.optional(),
});
export type FinalOrder = z.infer<typeof finalOrder>;

/** One execution, stored once by (account, tradeId). `fee` is in `feeAsset`. `time` is market time. */
export const fill = z.strictObject({
  account: z.string().max(40),
  tradeId: z.string().max(100),
  clientOrderId: z.string().max(64),
  market: symbol,
  side,
  quantity: positiveDecimalString,
  price: positiveDecimalString,
  fee: decimalString,
  feeAsset: z.string().max(40),
  time: instantMs,
  /** Which leg of the order filled. Protective legs (`stopLoss`, `takeProfit`) are sells of what the entry bought. */
  leg: z.enum(["entry", "stopLoss", "takeProfit"]),
});
export type WireFill = z.infer<typeof fill>;

/** GET broker /v1/orders/{clientOrderId}, and event `order`. */
export const brokerOrder = z.strictObject({
  order: finalOrder,
  state: orderState,
  venueOrderId: z.string().max(100).optional(),
  filledQuantity: decimalString,
  /** Protective legs that rest at the venue, or are owed: of an order that has bought and whose legs are being placed. */
  protectiveLegs: z.array(z.enum(["stopLoss", "takeProfit"])).max(2),
  reason: z.string().max(500).optional(),
  /** Wall time of the last change. */
  updatedAt: instantMs,
});
export type BrokerOrder = z.infer<typeof brokerOrder>;
