import { add, exceedsRatio, ratioOf, type Decimal } from "../decimal.ts";
import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy after which one market would hold more than `maximum` of the account's equity.
 *
 * Working buys count as if filled, working sells as if they never will: two orders that fit one by one must not pass
 * together, and a sell that may yet be cancelled makes no room. A sell always passes, or a breached limit could never be left.
 * With no equity left, nothing may be bought.
 *
 * Compared by cross multiplication: nothing is rounded but the ratio shown in the denial.
 *
 * @param maximum share of equity, 0 < maximum ≤ 1 (RiskPolicy `limits.maxPositionRatio`)
 */
export function maxPositionRatio(maximum: Decimal): Rule {
  return (order, view) => {
    if (order.side === "sell") return ALLOWED;

    const { positionNotional, workingBuysNotional } = view.exposure(order.market);
    const after = add(add(positionNotional, workingBuysNotional), order.notional);
    if (!exceedsRatio(after, view.equity, maximum)) return ALLOWED;
    return { allowed: false, reason: "POSITION_RATIO", market: order.market, ratio: ratioOf(after, view.equity), maximum };
  };
}
