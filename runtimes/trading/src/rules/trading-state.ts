import type { Rule, TradingCondition, TradingState } from "./rule.ts";
import { ALLOWED } from "./verdict.ts";

const strictness: Readonly<Record<TradingState, number>> = { Active: 0, Reducing: 1, Halted: 2 };

/** Nothing has stopped trading. */
export const TRADING_ACTIVE: TradingCondition = Object.freeze({ state: "Active", by: "policy", message: "" });

/**
 * The condition in force: the strictest of what the policy's `trading` field, the halt annotation, the journal and the breakers
 * say, so that nothing but `resume` undoes an emergency halt, GitOps included. Among equally strict ones the first is named.
 */
export function strictestCondition(conditions: readonly TradingCondition[]): TradingCondition {
  let strictest = TRADING_ACTIVE;
  for (const condition of conditions) if (strictness[condition.state] > strictness[strictest.state]) strictest = condition;
  return strictest;
}

/**
 * Denies everything while Halted, and while Reducing whatever does not shrink a position.
 *
 * Halted stops exits, too: invariant 3 allows no new submission at all. Protective stops that rest at the venue stay there.
 */
export const tradingState: Rule = (order, { trading }) => {
  if (trading.state === "Active") return ALLOWED;
  if (trading.state === "Halted") return { allowed: false, reason: "HALTED", by: trading.by, message: trading.message };
  if (order.reduceOnly) return ALLOWED;
  return { allowed: false, reason: "REDUCING", by: trading.by, message: trading.message };
};
