import type { Decimal } from "../decimal.ts";
import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy worth more than `maximum`.
 *
 * Sells pass whatever their size: an exit that must be cut into pieces is a loss that keeps running.
 *
 * @param maximum in the policy's base currency (RiskPolicy `limits.maxOrderNotional`)
 */
export function maxOrderNotional(maximum: Decimal): Rule {
  return (order) => {
    if (order.side === "sell" || order.notional <= maximum) return ALLOWED;
    return { allowed: false, reason: "ORDER_NOTIONAL", notional: order.notional, maximum };
  };
}
