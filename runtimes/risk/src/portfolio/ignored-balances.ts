import { type Decimal, type PortfolioView, ZERO, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { AccountBook } from "./book.ts";

type IgnoredBalance = NonNullable<PortfolioView["accounts"][number]["ignoredBalances"]>[number];

/**
 * What the manifest of a paper account says otherwise than the account began with: opening balances are given once, so that neither a profit nor a drawdown
 * can come from an edit. A person who has adopted other amounts knows.
 *
 * @param wanted amounts of the manifest, by asset; undefined: not a paper account
 */
export function ignoredBalances(
  wanted: ReadonlyMap<string, string> | undefined,
  { adjusted, deposits }: Pick<AccountBook, "adjusted" | "deposits">,
): IgnoredBalance[] {
  if (wanted === undefined || adjusted) return [];
  const manifest = (asset: string): Decimal => parseDecimal(wanted.get(asset) ?? "0");
  const journal = (asset: string): Decimal => deposits.get(asset) ?? ZERO;
  return [...new Set([...wanted.keys(), ...deposits.keys()])]
    .filter((asset) => manifest(asset) !== journal(asset))
    .toSorted()
    .map((asset) => ({ asset, manifest: formatDecimal(manifest(asset)), journal: formatDecimal(journal(asset)) }));
}
