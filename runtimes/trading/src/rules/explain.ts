import { add, formatDecimal, ratioOf, subtract } from "../decimal.ts";
import type { VerdictStep } from "../wire/control.ts";
import { describeLimits, namedRules, type Limits } from "./limits.ts";
import type { RiskView, SizedOrder } from "./rule.ts";
import { toWireVerdict } from "./verdict.ts";

/** What each rule looks at, as text; beside it stands the limit under `maximum`. */
const measures: Readonly<Record<string, (order: SizedOrder, view: RiskView) => Record<string, string>>> = {
  "trading-state": (_, { trading }) => ({ state: trading.state, by: trading.by }),
  "max-open-orders": (_, { openOrders }) => ({ open: String(openOrders) }),
  "max-orders-per-minute": (_, { ordersLastMinute }) => ({ orders: String(ordersLastMinute) }),
  "max-order-notional": ({ notional }) => ({ notional: formatDecimal(notional) }),
  "max-daily-loss-ratio": (_, { policy }) => ({
    ratio: formatDecimal(ratioOf(subtract(policy.dayStartEquity, policy.equity), policy.dayStartEquity)),
    equity: formatDecimal(policy.equity),
    dayStartEquity: formatDecimal(policy.dayStartEquity),
  }),
  "max-drawdown-ratio": (_, { policy }) => ({
    ratio: formatDecimal(ratioOf(subtract(policy.peakEquity, policy.equity), policy.peakEquity)),
    equity: formatDecimal(policy.equity),
    peakEquity: formatDecimal(policy.peakEquity),
  }),
  "max-position-ratio": (order, view) => shareAfter(order, view),
  "max-token-concentration-ratio": (order, view) => shareAfter(order, view.policy),
};

function shareAfter(order: SizedOrder, view: Pick<RiskView, "equity" | "exposure">): Record<string, string> {
  const { positionNotional, workingBuysNotional } = view.exposure(order.market);
  const pending = add(positionNotional, workingBuysNotional);
  const after = order.side === "buy" ? add(pending, order.notional) : pending;
  return {
    ratio: formatDecimal(ratioOf(after, view.equity)),
    notional: formatDecimal(after),
    equity: formatDecimal(view.equity),
  };
}

/** `max-open-orders` → `maxOpenOrders`: a rule is named after the limit it holds. */
function limitOf(rule: string): string {
  return rule.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The verdict chain of one order, rule by rule with what each measured, in the order of judging: for people who ask why. The same rules
 * as {@link import("./limits.ts").rulesFor}, slower.
 */
export function explainVerdict(order: SizedOrder, view: RiskView, limits: Limits): VerdictStep[] {
  const maxima = describeLimits(limits);
  let denied = false;
  return namedRules(limits).map(({ name, judge }): VerdictStep => {
    const maximum = maxima[limitOf(name)];
    const numbers = { ...measures[name]?.(order, view), ...(maximum !== undefined && { maximum }) };
    if (denied) return { rule: name, outcome: "notReached", numbers };
    const verdict = judge(order, view);
    if (verdict.allowed) return { rule: name, outcome: "passed", numbers };
    denied = true;
    const { message } = toWireVerdict(verdict);
    return { rule: name, outcome: "denied", numbers, ...(message !== undefined && { message }) };
  });
}
