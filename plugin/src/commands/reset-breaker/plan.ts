import type { BreakerType } from "@bellwether/crds";
import type { BreakerView, PortfolioView } from "@bellwether/trading/wire";
import { PluginError } from "../../errors.ts";

export interface BreakerScope {
  readonly type: BreakerType;
  readonly account: string | undefined;
  readonly strategy: string | undefined;
}

/**
 * The breakers of a type in the scope asked for, those that are not armed first in mind: only they are reset.
 *
 * @throws PluginError BREAKER_NOT_FOUND naming those there are
 */
export function planReset(
  portfolio: PortfolioView,
  policy: string,
  { type, account, strategy }: BreakerScope,
): { toReset: readonly BreakerView[] } {
  const all = portfolio.breakers ?? [];
  const matching = all.filter(
    (breaker) =>
      breaker.type === type &&
      (account === undefined || breaker.scope.account === account) &&
      (strategy === undefined || breaker.scope.strategy === strategy),
  );
  if (matching.length === 0) {
    const there = all.length === 0 ? "it has none" : `it has: ${[...new Set(all.map(nameOf))].sort().join(", ")}`;
    const asked = nameOf({
      type,
      scope: { ...(account !== undefined && { account }), ...(strategy !== undefined && { strategy }) },
    });
    throw new PluginError("BREAKER_NOT_FOUND", `riskpolicy/${policy} has no circuit breaker ${asked}; ${there}`, {
      next: `kubectl bellwether status ${policy}`,
    });
  }
  return { toReset: matching.filter(({ state }) => state !== "Armed") };
}

/** `Drawdown`, `VenueStale (account main)`, `ConsecutiveLosses (btc-momentum)`. */
export function nameOf({ type, scope }: Pick<BreakerView, "type" | "scope">): string {
  const parts = [
    ...(scope.account === undefined ? [] : [`account ${scope.account}`]),
    ...(scope.strategy === undefined ? [] : [scope.strategy]),
  ];
  return parts.length === 0 ? type : `${type} (${parts.join(", ")})`;
}
