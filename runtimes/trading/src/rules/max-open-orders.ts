import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy once `maximum` orders are open. An order counts from its approval until the broker's durable terminal record,
 * so one whose outcome is unknown counts, too. Orders that shrink a position pass: a full book must not lock a position in.
 *
 * @param maximum whole number ≥ 1 (RiskPolicy `limits.maxOpenOrders`)
 */
export function maxOpenOrders(maximum: number): Rule {
  return (order, { openOrders }) => {
    if (order.reduceOnly || openOrders < maximum) return ALLOWED;
    return { allowed: false, reason: "OPEN_ORDERS", open: openOrders, maximum };
  };
}
