import { type Decimal, ZERO, subtract } from "@bellwether/trading";
import type { AccountBook, BookFill } from "../portfolio/book.ts";

export interface RoundTrip {
  /** The strategy. */
  readonly scope: string;
  /** After fees. */
  readonly profit: Decimal;
}

/**
 * Notices positions that go back to nothing. What was realised before this process began belongs to trips before; of a position that is open
 * then, what its sells realise from then on.
 */
export class RoundTrips {
  /** Net realised profit at the end of the last trip, by account, strategy and market. */
  readonly #settled = new Map<string, Decimal>();

  /** An account as this process finds it. */
  begin(book: AccountBook): void {
    for (const [subAccount, { positions }] of book.subAccounts()) {
      for (const { market, realizedPnl, fees } of Object.values(positions))
        this.#settled.set(keyOf(book, { subAccount, market }), subtract(realizedPnl, fees));
    }
  }

  /** The trips that these fills have ended; the book has taken them in already. */
  take(book: AccountBook, fills: readonly BookFill[]): RoundTrip[] {
    const trips: RoundTrip[] = [];
    for (const { subAccount, market } of uniqueMarkets(fills)) {
      const position = book.subAccount(subAccount).positions[market];
      if (!position) continue;
      if (position.quantity !== 0n) continue;
      const key = keyOf(book, { subAccount, market });
      const net = subtract(position.realizedPnl, position.fees);
      trips.push({ scope: subAccount, profit: subtract(net, this.#settled.get(key) ?? ZERO) });
      this.#settled.set(key, net);
    }
    return trips;
  }
}

function keyOf({ accountUid }: AccountBook, { subAccount, market }: Pick<BookFill, "subAccount" | "market">): string {
  return `${accountUid} ${subAccount} ${market}`;
}

function uniqueMarkets(fills: readonly BookFill[]): Pick<BookFill, "subAccount" | "market">[] {
  const seen = new Map(fills.map(({ subAccount, market }) => [`${subAccount} ${market}`, { subAccount, market }]));
  return [...seen.values()];
}
