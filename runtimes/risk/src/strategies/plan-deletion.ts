import { type Decimal, type MarketTerms, formatDecimal } from "@bellwether/trading";
import type { AccountBook } from "../portfolio/book.ts";
import type { BarSeries } from "../venue/market-feed.ts";

export interface DeletionWorld {
  readonly strategy: { readonly uid: string; readonly deletion: "Keep" | "Flatten"; readonly markets: readonly BarSeries[] };
  readonly book: AccountBook;
  readonly terms: (market: string) => MarketTerms | undefined;
  /** The broker has told its markets since this process started; until then nobody knows what can be sold. */
  readonly venueKnown: boolean;
  /** The feed has reached its end: nothing will ever be sold. */
  readonly ended: boolean;
}

/** What a deleted strategy hands over to `unassigned`. */
export interface Handover {
  readonly asset: string;
  readonly amount: Decimal;
  /** What the units had cost; undefined for cash. */
  readonly cost: Decimal | undefined;
}

/**
 *   orders open ─────────────────► wait      (the settlement cancels them)
 *   Flatten, venue not known yet ► wait
 *   Flatten, something sellable ─► sell      (legs give way to it at the broker; and then wait for its end)
 *   legs resting ────────────────► wait      (the settlement cancels those of what is kept; of what is sold nothing is left for them)
 *   otherwise ───────────────────► hand over everything to `unassigned`, and the strategy is settled
 */
export type DeletionStep =
  | { readonly step: "wait"; readonly workingOrders: number }
  | {
      readonly step: "sell";
      readonly sales: readonly { readonly market: string; readonly quantity: string; readonly price: string }[];
    }
  | { readonly step: "handOver"; readonly balances: readonly Handover[] };

/** What comes next for a strategy that is being deleted. Remainders too small to sell, and what has no price, are handed over. */
export function planDeletion(world: DeletionWorld): DeletionStep {
  const { strategy, book, ended, venueKnown } = world;
  const orders = book.orders(strategy.uid);
  const waiting: DeletionStep = { step: "wait", workingOrders: orders.length };
  if (book.openOrders(strategy.uid).length > 0) return waiting;
  const sells = strategy.deletion === "Flatten" && !ended;
  if (sells && !venueKnown) return waiting;
  const sales = sells ? sellable(world) : [];
  if (sales.length > 0) return { step: "sell", sales };
  if (orders.length > 0) return waiting;
  return { step: "handOver", balances: holdingsOf(book, strategy.uid) };
}

/** Everything a strategy holds, cash and positions. */
export function holdingsOf(book: AccountBook, uid: string): Handover[] {
  const { balances, positions } = book.subAccount(uid);
  const costs = new Map(Object.values(positions).map(({ base, cost }) => [base, cost]));
  return Object.entries(balances)
    .filter(([, amount]) => amount > 0n)
    .map(([asset, amount]) => ({ asset, amount, cost: costs.get(asset) }));
}

function sellable({ strategy, book, terms }: DeletionWorld): { market: string; quantity: string; price: string }[] {
  const markets = new Set([
    ...Object.keys(book.subAccount(strategy.uid).positions),
    ...strategy.markets.map(({ market }) => market),
  ]);
  return [...markets].flatMap((market) => {
    const [rules, mark] = [terms(market), book.mark(market)];
    const held = book.held(strategy.uid, market);
    if (!rules || !mark || held < rules.quantityStep || held <= 0n) return [];
    if (rules.minQuantity !== undefined && held < rules.minQuantity) return [];
    return [{ market, quantity: formatDecimal(held), price: formatDecimal(mark.price) }];
  });
}
