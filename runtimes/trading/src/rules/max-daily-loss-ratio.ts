import { ratioOf, reachesRatio, subtract, type Decimal } from "../decimal.ts";
import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy when the policy has lost `maximum` or more of what it had at the begin of the UTC day (market time), marked to market:
 * a loss that shows only once a position is closed shows too late. Transfers move the reference. Sells pass.
 *
 * @param maximum part of the day's first equity, 0 < maximum ≤ 1 (RiskPolicy `limits.maxDailyLossRatio`)
 */
export function maxDailyLossRatio(maximum: Decimal): Rule {
  return (order, { policy: { equity, dayStartEquity } }) => {
    if (order.side === "sell" || equity >= dayStartEquity) return ALLOWED;
    const loss = subtract(dayStartEquity, equity);
    if (!reachesRatio(loss, dayStartEquity, maximum)) return ALLOWED;
    return { allowed: false, reason: "DAILY_LOSS", ratio: ratioOf(loss, dayStartEquity), maximum };
  };
}
