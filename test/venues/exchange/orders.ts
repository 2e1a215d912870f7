import type { Decimal } from "@bellwether/trading";

export type OrderKind = "limit" | "market" | "stop" | "takeProfit";
export type OrderStatus = "new" | "partiallyFilled" | "filled" | "cancelled" | "expired";

/** An order as the exchange keeps it; the dialects write it in their own words. */
export interface ExchangeOrder {
  readonly id: number;
  readonly clientOrderId: string;
  readonly accountId: string;
  /** Name of the market, `BTC/USDT`. */
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly kind: OrderKind;
  readonly timeInForce: "GTC" | "IOC" | "FOK";
  readonly postOnly: boolean;
  /** Absent: at the market, once triggered. */
  readonly price: Decimal | undefined;
  /** Of stops and take-profits: the last price that sets them off. */
  readonly triggerPrice: Decimal | undefined;
  triggered: boolean;
  readonly quantity: Decimal;
  filled: Decimal;
  /** Quote currency that changed hands. */
  turnover: Decimal;
  /** What the order still holds back of the account's balance: quote for buys, base for sells. */
  locked: Decimal;
  status: OrderStatus;
  /** Orders of one list: the first execution or trigger of one ends the others, and they hold back what one of them needs. */
  readonly listId?: number;
  /** Placed by the trigger of this algo order, under no client order id of its own. */
  readonly algo?: { readonly id: number; readonly clientOrderId: string };
  readonly createdMs: number;
  updatedMs: number;
}

/** Legs that wait outside the book: the first price that reaches a trigger makes a market order of it. */
export interface AlgoOrder {
  readonly id: number;
  readonly clientOrderId: string;
  readonly accountId: string;
  readonly market: string;
  readonly quantity: Decimal;
  readonly stop: Decimal | undefined;
  readonly target: Decimal | undefined;
  locked: Decimal;
  status: "live" | "effective" | "canceled" | "order_failed";
  /** Once triggered. */
  side: "sl" | "tp" | undefined;
  orderId: number | undefined;
  readonly createdMs: number;
}

export interface Trade {
  readonly id: number;
  readonly orderId: number;
  readonly accountId: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly price: Decimal;
  readonly quantity: Decimal;
  readonly fee: Decimal;
  readonly feeAsset: string;
  readonly maker: boolean;
  readonly timeMs: number;
}

export interface NewOrder {
  readonly clientOrderId: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly kind: OrderKind;
  readonly timeInForce: "GTC" | "IOC" | "FOK";
  readonly postOnly: boolean;
  readonly price?: Decimal;
  readonly triggerPrice?: Decimal;
  readonly quantity: Decimal;
}

export const isOpen = (order: ExchangeOrder): boolean => order.status === "new" || order.status === "partiallyFilled";

/** Why the exchange decided against a request, in words both dialects translate. */
export type RefusalCode =
  | "UNKNOWN_MARKET"
  | "MARKET_CLOSED"
  | "LOT_SIZE"
  | "PRICE_FILTER"
  | "NOTIONAL"
  | "INSUFFICIENT_BALANCE"
  | "DUPLICATE_CLIENT_ORDER_ID"
  | "WOULD_TRADE_AS_MAKER_ONLY"
  | "WOULD_TRIGGER_IMMEDIATELY"
  | "LIST_PRICES"
  | "UNKNOWN_ORDER";

export class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode) {
    super(code);
    this.name = "Refusal";
    this.code = code;
  }
}
