import type { BrokerAccount, FinalOrder, MarketRules, OrderState } from "@bellwether/trading";

/**
 * A venue as the broker sees it: remote, slow, forgetful of nothing it has accepted, and able to lose every answer.
 *
 * Every method may throw VENUE_UNREACHABLE (network, timeout, 5xx): of a read that means nothing, of a write that its outcome is unknown.
 * "Not found" is an answer (`undefined`), never an error.
 */
export interface Venue {
  readonly kind: BrokerAccount["kind"];
  /**
   * A request is refused by the venue when it arrives later than this after its time stamp. With `marginMs` on top, an order that lookup, open
   * orders and trades do not show was never accepted and never will be. Absent: the venue has no such window, and unknown stays unknown.
   */
  readonly validity?: { readonly windowMs: number; readonly marginMs: number };
  submit(request: SubmitRequest): Promise<SubmitReply>;
  /** Cancels what rests. Asking for what is not there any more is no error. */
  cancel(request: CancelRequest): Promise<void>;
  lookup(clientOrderId: string): Promise<VenueOrder | undefined>;
  openOrders(): Promise<readonly VenueOrder[]>;
  /** All executions of one order, oldest first. */
  trades(query: TradesQuery): Promise<readonly VenueTrade[]>;
  /**
   * Time stamp of the youngest request whose order the venue has forgotten; 0 when it remembers all. The absence of an order up to there proves
   * nothing.
   */
  forgottenUntilMs(): Promise<number>;
  balances(): Promise<BrokerAccount["balances"]>;
  /** What the venue says of a market; undefined when it has none of that name open. */
  rules(symbol: string): MarketRules | undefined;
  /** All markets it is known to have, at most 500. */
  markets(): readonly MarketRules[];
  /** Ids of orders that something happened to: a hint, which may be lost; the methods above are the truth. */
  onChange(listener: (clientOrderIds: readonly string[]) => void): void;
}

export interface SubmitRequest {
  readonly order: FinalOrder;
  /** Wall time of "about to send", persisted: a process that stalls after it cannot send late. */
  readonly timestampMs: number;
  readonly signal?: AbortSignal;
}

export type SubmitReply =
  | { readonly accepted: true; readonly order: VenueOrder }
  /** The venue has decided against the order: it will never work. */
  | { readonly accepted: false; readonly reason: string };

export interface CancelRequest {
  readonly clientOrderId: string;
  readonly legs: "entry" | "all";
}

export type TradesQuery = { readonly clientOrderId: string } | { readonly sinceMs: number };

/** An order as the venue reports it. Quantities are decimal text. */
export interface VenueOrder {
  readonly clientOrderId: string;
  readonly venueOrderId: string;
  readonly state: Extract<OrderState, "Working" | "Filled" | "Cancelled" | "Expired" | "Rejected">;
  /** Of the entry; protective legs fill on their own. */
  readonly filledQuantity: string;
  readonly protectiveLegs: readonly ("stopLoss" | "takeProfit")[];
  readonly reason?: string;
}

/** One execution. `time` is market time. */
export interface VenueTrade {
  readonly tradeId: string;
  readonly clientOrderId: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: string;
  readonly price: string;
  readonly fee: string;
  readonly feeAsset: string;
  readonly time: number;
  readonly leg: "entry" | "stopLoss" | "takeProfit";
}
