import type { Decimal } from "../decimal.ts";
import type { TradingCosts } from "../sizing/cost.ts";
import type { OrderState } from "../wire/orders.ts";
import type { MarketTerms } from "./market-terms.ts";

export type Leg = "entry" | "stopLoss" | "takeProfit";

/** An order as the venue takes it: a FinalOrder with its numbers parsed ({@link orderRequest} makes one). */
export interface OrderRequest {
  readonly clientOrderId: string;
  /** Whose it is; what two owners hold on one account stays apart. */
  readonly owner: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly type: "market" | "limit";
  readonly quantity: Decimal;
  readonly limit: Decimal | undefined;
  readonly timeInForce: "GTC" | "IOC" | "FOK" | "PostOnly";
  readonly stopLoss: Decimal | undefined;
  readonly takeProfit: Decimal | undefined;
  /** Buys: the most the order may cost over all its fills, fees included. */
  readonly maxCost: Decimal | undefined;
  /** Sells: never more than the owner holds. */
  readonly reduceOnly: boolean;
  readonly decisionTime: number;
  readonly expiresAt: number | undefined;
}

/** An order that still works, or whose protective legs still rest. */
export interface VenueOrder {
  readonly request: OrderRequest;
  readonly venueOrderId: string;
  /** Market time of the first bar opening it may fill at. */
  readonly eligibleFrom: number;
  /** `Working`: the entry rests. Terminal: the entry has ended, only protective legs rest. */
  readonly state: OrderState;
  readonly filled: Decimal;
  readonly spent: Decimal;
  /** What the protective legs would sell: bought by the entry, not sold since. Zero without legs. */
  readonly protected: Decimal;
  /** A stop that has triggered sells the rest at the next opens. */
  readonly stopTriggered: boolean;
  /** The entry has met its first bar: IOC, FOK and PostOnly are decided there. */
  readonly metFirstBar: boolean;
}

/** Everything a paper venue knows. Plain data: {@link serialiseVenue} writes it, {@link parseVenue} reads it back. */
export interface PaperVenueState {
  /** Market time of the latest command. */
  readonly marketTime: number;
  readonly orderSequence: number;
  readonly tradeSequence: number;
  readonly balances: Readonly<Record<string, Decimal>>;
  /** Per `<owner> <market>`: base units bought minus sold. */
  readonly holdings: Readonly<Record<string, Decimal>>;
  /** Last close per market. */
  readonly lastPrices: Readonly<Record<string, number>>;
  /** In order of acceptance. Ended orders without resting legs leave; their events remain. */
  readonly orders: readonly VenueOrder[];
}

export interface PaperVenueConfig {
  readonly markets: ReadonlyMap<string, MarketTerms>;
  readonly costs: TradingCosts;
  /** At most this part of a bar's base volume fills per bar and market, all orders together. */
  readonly volumeShare: Decimal;
  readonly volumeUnit: "Base" | "Quote";
}

/** One closed bar of a market, prices and volume as floats; money is computed from their shortest decimal text. */
export interface VenueBar {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

export type PaperCommand =
  | { readonly type: "deposit"; readonly asset: string; readonly amount: Decimal }
  | { readonly type: "place"; readonly request: OrderRequest; readonly at: number }
  | { readonly type: "cancel"; readonly clientOrderId: string; readonly at: number }
  | { readonly type: "replace"; readonly clientOrderId: string; readonly change: OrderChange; readonly at: number }
  | { readonly type: "bar"; readonly market: string; readonly bar: VenueBar };

export interface OrderChange {
  /** New total quantity, what has filled included. */
  readonly quantity?: Decimal;
  readonly limit?: Decimal;
  readonly stopLoss?: Decimal;
  readonly takeProfit?: Decimal;
  readonly maxCost?: Decimal;
}

/** Why the venue refuses a command. */
export type RefusalReason =
  | "MARKET_UNKNOWN"
  | "DUPLICATE_CLIENT_ORDER_ID"
  | "ORDER_UNKNOWN"
  | "ORDER_INVALID"
  | "BELOW_MINIMUM"
  | "INSUFFICIENT_BALANCE"
  | "EXPIRED"
  | "TOO_MANY_ORDERS";

/** Why an order ended without being filled whole. */
export type EndReason =
  | "CANCELLED_BY_OWNER"
  | "EXPIRED"
  | "IMMEDIATE_OR_CANCEL"
  | "FILL_OR_KILL"
  | "POST_ONLY_WOULD_TAKE"
  | "INSUFFICIENT_CASH"
  | "NOTHING_TO_SELL"
  | "LEG_TRIGGERED";

export interface VenueFill {
  readonly tradeId: string;
  readonly clientOrderId: string;
  readonly owner: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: Decimal;
  readonly price: Decimal;
  readonly fee: Decimal;
  readonly feeAsset: string;
  readonly time: number;
  readonly leg: Leg;
}

export type PaperEvent =
  | {
      readonly type: "refused";
      readonly command: "place" | "cancel" | "replace";
      readonly clientOrderId: string;
      readonly reason: RefusalReason;
      readonly message: string;
    }
  | { readonly type: "fill"; readonly fill: VenueFill }
  /** The order after a change: accepted, filled, replaced, ended, or its legs gone. */
  | { readonly type: "order"; readonly order: VenueOrder; readonly at: number; readonly reason: EndReason | undefined };

/** The protective legs that rest now. */
export function restingLegs({ request, protected: units }: VenueOrder): ("stopLoss" | "takeProfit")[] {
  if (units === 0n) return [];
  return [
    ...(request.stopLoss === undefined ? [] : (["stopLoss"] as const)),
    ...(request.takeProfit === undefined ? [] : (["takeProfit"] as const)),
  ];
}

/** True while the entry rests or a protective leg does. */
export function isLive(order: VenueOrder): boolean {
  return order.state === "Working" || order.protected > 0n;
}

export function emptyVenue(): PaperVenueState {
  return { marketTime: 0, orderSequence: 0, tradeSequence: 0, balances: {}, holdings: {}, lastPrices: {}, orders: [] };
}
