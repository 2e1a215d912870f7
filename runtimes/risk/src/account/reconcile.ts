import { type BrokerAccount, type Decimal, ZERO, formatDecimal } from "@bellwether/trading";
import { assetBalances } from "../portfolio/valuation.ts";
import type { Account } from "./account.ts";
import { balancesAreKnown, venueBalances } from "./open.ts";

/** An asset of which journal and venue hold different amounts. */
export interface Drift {
  readonly asset: string;
  readonly journal: string;
  readonly venue: string;
}

export interface Reconciliation {
  readonly atMs: number;
  readonly drift: readonly Drift[];
}

const maxDrift = 100;

/** Invariant 2, per asset: opening + fills − fees ± transfers = venue balance, to the last digit. */
export function compareBalances(journal: ReadonlyMap<string, Decimal>, venue: ReadonlyMap<string, Decimal>): Drift[] {
  const assets = new Set([...journal.keys(), ...venue.keys()]);
  return [...assets]
    .filter((asset) => (journal.get(asset) ?? ZERO) !== (venue.get(asset) ?? ZERO))
    .toSorted()
    .slice(0, maxDrift)
    .map((asset) => ({
      asset,
      journal: formatDecimal(journal.get(asset) ?? ZERO),
      venue: formatDecimal(venue.get(asset) ?? ZERO),
    }));
}

const attempts = 3;

/**
 * Compares the fold with the venue. A fill may land between the two looks, so that a difference counts only when the journal did not move around the
 * venue's answer; while it moves the comparison is left to the next time.
 *
 * @returns undefined when the venue does not answer or trades too fast to be compared now
 */
export async function reconcile(account: Account, nowMs: () => number): Promise<Reconciliation | undefined> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const before = await fold(account);
    const state: BrokerAccount | undefined = await account.askVenue();
    if (!state || !balancesAreKnown(state)) return undefined;
    const after = await fold(account);
    const drift = compareBalances(after, venueBalances(state));
    if (drift.length === 0) return { atMs: nowMs(), drift };
    if (attempt === attempts && compareBalances(before, after).length === 0) return { atMs: nowMs(), drift };
  }
  return undefined;
}

function fold(account: Account): Promise<Map<string, Decimal>> {
  return account.exclusive(async (book) => assetBalances(book));
}
