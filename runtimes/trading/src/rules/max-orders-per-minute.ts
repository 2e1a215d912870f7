import type { Rule } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

/**
 * Denies a buy once `maximum` orders of the account were approved in the last 60 s of market time. Orders of every kind count, those of
 * the same decision included; orders that shrink a position pass: a program gone wild must still be able to leave.
 *
 * @param maximum whole number ≥ 1 (RiskPolicy `limits.maxOrdersPerMinute`)
 */
export function maxOrdersPerMinute(maximum: number): Rule {
  return (order, { ordersLastMinute }) => {
    if (order.reduceOnly || ordersLastMinute < maximum) return ALLOWED;
    return { allowed: false, reason: "ORDER_RATE", orders: ordersLastMinute, maximum };
  };
}
