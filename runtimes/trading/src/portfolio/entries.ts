import type { Decimal } from "../decimal.ts";

/** Money or assets moving in or out of a sub-account that no trade explains: starting capital, reallocation. */
export interface TransferEntry {
  readonly kind: "transfer";
  readonly asset: string;
  /** Positive: into the sub-account. */
  readonly amount: Decimal;
}

/** One execution. `fee` may be in the quote asset, in the base asset or in a third one. */
export interface FillEntry {
  readonly kind: "fill";
  readonly market: string;
  readonly base: string;
  readonly quote: string;
  readonly side: "buy" | "sell";
  readonly quantity: Decimal;
  readonly price: Decimal;
  readonly fee: Decimal;
  readonly feeAsset: string;
}

/**
 * Units of a market's base asset moving in or out without a trade (starting balances, a kept position going to `unassigned`),
 * valued at `price`: what comes in was bought at it, what goes out is sold at it, and the value counts as a transfer.
 */
export interface PositionEntry {
  readonly kind: "position";
  readonly market: string;
  readonly base: string;
  readonly quote: string;
  /** Positive: into the sub-account. */
  readonly quantity: Decimal;
  readonly price: Decimal;
}

export type JournalEntry = TransferEntry | FillEntry | PositionEntry;
