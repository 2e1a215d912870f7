import type { Decimal, WireBar } from "@bellwether/trading";

/** What a second source says of a market, beside the account's own price of the same moment. */
export type ReferenceReading =
  | { readonly market: string; readonly known: true; readonly price: Decimal; readonly own: Decimal }
  /** `reason` is for a person. A price that is not there stops nothing. */
  | { readonly market: string; readonly known: false; readonly reason: string };

/** A second source of prices, to check the account's own by: another exchange, or an oracle on chain. */
export interface ReferenceSource {
  /** A base bar of the account's own market has closed. */
  onOwnBar(market: string, bar: WireBar): void;
  /** One for each market that is compared, as last seen; asks nobody. */
  read(): readonly ReferenceReading[];
  /** Asks the second source until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}
