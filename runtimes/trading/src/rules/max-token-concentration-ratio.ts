import { add, exceedsRatio, ratioOf, type Decimal } from "../decimal.ts";
import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy after which one asset would be more than `maximum` of the policy's equity, over all of its accounts: two accounts that
 * each stay below their position limit must not bet everything on one asset together. Pending buys count as in
 * {@link import("./max-position-ratio.ts").maxPositionRatio}; sells always pass.
 *
 * @param maximum share of the policy's equity, 0 < maximum ≤ 1 (RiskPolicy `limits.maxTokenConcentrationRatio`)
 */
export function maxTokenConcentrationRatio(maximum: Decimal): Rule {
  return (order, { policy }) => {
    if (order.side === "sell") return ALLOWED;

    const { positionNotional, workingBuysNotional } = policy.exposure(order.market);
    const after = add(add(positionNotional, workingBuysNotional), order.notional);
    if (!exceedsRatio(after, policy.equity, maximum)) return ALLOWED;
    return { allowed: false, reason: "CONCENTRATION", market: order.market, ratio: ratioOf(after, policy.equity), maximum };
  };
}
