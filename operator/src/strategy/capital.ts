/** The part of an account a strategy may use when its spec does not say. Pure; ratios are scaled bigints, 10^18 = the whole account. */
import { type Strategy, effectiveStrategySpec } from "@bellwether/crds";
import { decimalOf, scaledOf } from "../figures.ts";

const wholeAccount = 10n ** 18n;

export type Share =
  | { readonly settled: true; readonly shareRatio: string }
  /** Every part is claimed already; `claims` says by whom, for the sentence. */
  | { readonly settled: false; readonly claims: readonly { readonly name: string; readonly shareRatio: string }[] };

/**
 * `spec.capital.shareRatio`; without one an equal part of what is not claimed: as many parts as agents may still join, so that the first to
 * register does not take everything and leave the second without (two strategies of one `kubectl apply` register in either order). What was
 * fixed at the first registration stays: `status.shareRatio`.
 *
 * @param account.strategies those that name the same policy, this one included or not
 * @param account.places agents that may run at once (`maxParallelAgents`)
 */
export function shareOf(strategy: Strategy, account: { strategies: readonly Strategy[]; places: number }): Share {
  const stated = strategy.spec.capital?.shareRatio ?? fixedShare(strategy);
  if (stated !== undefined) return { settled: true, shareRatio: stated };

  const neighbours = account.strategies.filter(
    (other) => other.metadata.uid !== strategy.metadata.uid && sharesAccount(other, strategy),
  );
  const claims = neighbours.flatMap((other) => {
    const shareRatio = other.spec.capital?.shareRatio ?? fixedShare(other);
    return shareRatio === undefined ? [] : [{ name: other.metadata.name, shareRatio }];
  });
  const unclaimed = claims.reduce((left, { shareRatio }) => left - scaledOf(shareRatio), wholeAccount);
  if (unclaimed <= 0n) return { settled: false, claims };
  const waiting = neighbours.length - claims.length + 1;
  // Rounded down: the parts together never pass the whole.
  return { settled: true, shareRatio: decimalOf(unclaimed / BigInt(Math.max(waiting, account.places - claims.length))) };
}

/** What it was registered with: only this account's, since another account is a new registration. */
function fixedShare(strategy: Strategy): string | undefined {
  const { riskPolicyRef } = strategy.spec;
  const { status } = strategy;
  const isSame = status?.run !== undefined && status.policy === riskPolicyRef.name && status.account === riskPolicyRef.account;
  return isSame ? status.shareRatio : undefined;
}

function sharesAccount(other: Strategy, strategy: Strategy): boolean {
  const [a, b] = [other.spec.riskPolicyRef, strategy.spec.riskPolicyRef];
  return (
    other.metadata.namespace === strategy.metadata.namespace &&
    a.name === b.name &&
    a.account === b.account &&
    effectiveStrategySpec(other.spec).mode !== "Backtest"
  );
}

export function noCapitalMessage(account: string, share: Share & { settled: false }): string {
  const claims = share.claims.map(({ name, shareRatio }) => `${name} ${shareRatio}`).join(", ");
  return `every part of account "${account}" is claimed (${claims}): set spec.capital.shareRatio of the strategies so that something is left`;
}
