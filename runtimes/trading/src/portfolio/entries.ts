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

export type JournalEntry = TransferEntry | FillEntry;
