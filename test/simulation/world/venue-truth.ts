import type { Decimal } from "@bellwether/trading";

/** One execution, as the venue has it. */
export interface PlacedTrade {
  readonly tradeId: string;
  readonly quantity: Decimal;
  readonly price: Decimal;
  /** What it moved of the quote asset; where an execution has one price, its product with the quantity. */
  readonly quote: Decimal;
  readonly fee: Decimal;
  readonly feeAsset: string;
}

export interface PlacedOrder {
  readonly clientId: string;
  readonly venueOrderId: string;
  readonly state: "Working" | "Filled" | "Cancelled" | "Expired";
  readonly trades: readonly PlacedTrade[];
}

/** A stop or a target that rests, or rested, at the venue. */
export interface PlacedLeg extends PlacedOrder {
  readonly leg: "stopLoss" | "takeProfit";
  readonly quantity: Decimal;
  readonly filled: Decimal;
}

/** What really happened at a venue, whatever anybody was told of it: of the account's own orders. */
export interface VenueTruth {
  readonly orders: readonly PlacedOrder[];
  readonly legs: readonly PlacedLeg[];
  /** Sales that were refused while the account held what they would have sold. */
  readonly blockedSales: readonly { readonly clientId: string; readonly quantity: Decimal }[];
  order(clientId: string): PlacedOrder | undefined;
  balance(asset: string): Decimal;
}
