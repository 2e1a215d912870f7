import { ratioOf, reachesRatio, subtract, type Decimal } from "../decimal.ts";
import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy while the policy's equity is `maximum` or more below its peak, marked to market. Transfers move the peak. Sells pass.
 *
 * The limit only keeps new exposure away, and lets it in again when the equity has recovered; the breaker `Drawdown` stops trading until a person
 * has looked.
 *
 * @param maximum part of the peak, 0 < maximum ≤ 1 (RiskPolicy `limits.maxDrawdownRatio`)
 */
export function maxDrawdownRatio(maximum: Decimal): Rule {
  return (order, { policy: { equity, peakEquity } }) => {
    if (order.side === "sell" || equity >= peakEquity) return ALLOWED;
    const loss = subtract(peakEquity, equity);
    if (!reachesRatio(loss, peakEquity, maximum)) return ALLOWED;
    return { allowed: false, reason: "DRAWDOWN", ratio: ratioOf(loss, peakEquity), maximum };
  };
}
