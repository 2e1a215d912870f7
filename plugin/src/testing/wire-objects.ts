import type { BrokerOrder, IntentOrder, IntentReply, OrderEntry, WireFill } from "@bellwether/trading/wire";
import { startMs } from "./fake-world.ts";

export const intentId = "uid-trend/1/1641384000000/0";
export const clientOrderId = "0f3b9a0d5c0f4c0a8e7d6b5a49382716";

/** A buy of 0.012 BTC, filled in two parts. */
export function brokerOrderObject(change: Partial<BrokerOrder> = {}): BrokerOrder {
  return {
    order: {
      account: "paper",
      clientOrderId,
      intentId,
      attempt: 1,
      market: "BTC/USDT",
      side: "buy",
      type: "market",
      quantity: "0.012",
      timeInForce: "GTC",
      stopLoss: "41000",
      maxCost: "600",
      reduceOnly: false,
      decisionTime: 1_641_384_000_000,
    },
    state: "Filled",
    venueOrderId: "v-17",
    filledQuantity: "0.0120",
    protectiveLegs: ["stopLoss"],
    updatedAt: startMs,
    ...change,
  };
}

export function fillObject(change: Partial<WireFill> = {}): WireFill {
  return {
    account: "paper",
    tradeId: "t-1",
    clientOrderId,
    market: "BTC/USDT",
    side: "buy",
    quantity: "0.007",
    price: "46000.5",
    fee: "0.322",
    feeAsset: "USDT",
    time: 1_641_384_060_000,
    leg: "entry",
    ...change,
  };
}

export function orderEntryObject(change: Partial<OrderEntry> = {}): OrderEntry {
  return {
    strategy: "trend",
    strategyUid: "uid-trend",
    order: brokerOrderObject(),
    createdAt: startMs - 60_000,
    averagePrice: "46001",
    ...change,
  };
}

export function intentOrderObject(change: Partial<IntentOrder> = {}): IntentOrder {
  return {
    order: brokerOrderObject(),
    createdAt: startMs - 60_000,
    approvals: [{ nonce: "n-1", keyId: "k-1", epoch: 3, attempt: 1, createdAt: startMs - 60_000 }],
    reservedQuote: "600",
    reservedBase: "0",
    releasedAt: startMs,
    fills: [fillObject(), fillObject({ tradeId: "t-2", quantity: "0.005" })],
    ...change,
  };
}

/** An intent that was allowed, shrunk and filled. */
export function intentObject(change: Partial<IntentReply> = {}): IntentReply {
  return {
    intentId,
    strategy: "trend",
    strategyUid: "uid-trend",
    account: "paper",
    kind: "intent",
    decisionTime: 1_641_384_000_000,
    judgedAt: startMs - 60_000,
    market: "BTC/USDT",
    side: "buy",
    asked: { "size.equityRatio": "0.2", validUntil: "1641384060000" },
    judgedWith: { trading: "Active", equity: "10012.345", freeCash: "600" },
    sizing: [
      { step: "affordable", before: "0.04", after: "0.012", message: "free cash covers no more", numbers: { freeCash: "600" } },
    ],
    chain: [
      { rule: "trading-state", outcome: "passed", numbers: { state: "Active" } },
      { rule: "max-position-ratio", outcome: "passed", numbers: { ratio: "0.06", maximum: "0.5" } },
    ],
    verdict: { allowed: true },
    orders: [intentOrderObject()],
    ...change,
  };
}
