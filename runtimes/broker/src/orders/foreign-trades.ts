import type { VenueTrade } from "../venues/venue.ts";

/** How far back every look reaches, market time. */
export const foreignTradesLookBackMs = 3_600_000;
/** A trade of our own is recorded within this time; younger ones say nothing yet. */
const settledAfterMs = 120_000;
const keptMs = 86_400_000;
const mostKept = 100;

/**
 * Executions on the account that no order of ours explains: another hand has traded with this key, or beside it. They hold nothing up by themselves;
 * what they have moved is drift, and they are its cause.
 */
export class ForeignTrades {
  #found: readonly VenueTrade[] = [];

  /** The last day's, youngest first. */
  get found(): readonly VenueTrade[] {
    return this.#found;
  }

  /** Those of `trades`, and of what was found before, that have to be looked up in the journal: old enough to be there if they were ours. */
  candidates(trades: readonly VenueTrade[], marketTimeMs: number): readonly VenueTrade[] {
    const byId = new Map([...this.#found, ...trades].map((trade) => [trade.tradeId, trade]));
    return [...byId.values()].filter(({ time }) => time <= marketTimeMs - settledAfterMs && time > marketTimeMs - keptMs);
  }

  /** @param known ids of trades that stand in the journal */
  judged(candidates: readonly VenueTrade[], known: ReadonlySet<string>): void {
    const unexplained = candidates.filter(({ tradeId }) => !known.has(tradeId));
    this.#found = unexplained.toSorted((a, b) => b.time - a.time).slice(0, mostKept);
  }
}
