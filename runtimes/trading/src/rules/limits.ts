import { formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import { maxDailyLossRatio } from "./max-daily-loss-ratio.ts";
import { maxDrawdownRatio } from "./max-drawdown-ratio.ts";
import { maxOpenOrders } from "./max-open-orders.ts";
import { maxOrderNotional } from "./max-order-notional.ts";
import { maxOrdersPerMinute } from "./max-orders-per-minute.ts";
import { maxPositionRatio } from "./max-position-ratio.ts";
import { maxTokenConcentrationRatio } from "./max-token-concentration-ratio.ts";
import { ruleChain, type NamedRule, type Rule } from "./rule.ts";
import { tradingState } from "./trading-state.ts";

/** RiskPolicy `limits`, as they stand in the manifest or with the policy's defaults filled in (crds' `effectiveRiskPolicySpec`). */
export interface LimitsSpec {
  readonly maxPositionRatio?: string | undefined;
  readonly maxTokenConcentrationRatio?: string | undefined;
  readonly maxOrderNotional?: string | undefined;
  readonly maxOpenOrders?: number | undefined;
  readonly maxOrdersPerMinute?: number | undefined;
  readonly maxDailyLossRatio?: string | undefined;
  readonly maxDrawdownRatio?: string | undefined;
}

/** Undefined: no such limit. A RiskPolicy always has all of them. */
export interface Limits {
  readonly maxPositionRatio: Decimal;
  readonly maxTokenConcentrationRatio: Decimal | undefined;
  readonly maxOrderNotional: Decimal | undefined;
  readonly maxOpenOrders: number;
  readonly maxOrdersPerMinute: number | undefined;
  readonly maxDailyLossRatio: Decimal | undefined;
  readonly maxDrawdownRatio: Decimal | undefined;
}

/** A fifth of the equity in one market, twenty open orders. */
export const defaultLimits = { maxPositionRatio: "0.20", maxOpenOrders: 20 } as const;

/** The limits in force. Throws DECIMAL_INVALID. */
export function effectiveLimits(spec: LimitsSpec): Limits {
  return {
    maxPositionRatio: parseDecimal(spec.maxPositionRatio ?? defaultLimits.maxPositionRatio),
    maxTokenConcentrationRatio: optionalDecimal(spec.maxTokenConcentrationRatio),
    maxOrderNotional: optionalDecimal(spec.maxOrderNotional),
    maxOpenOrders: spec.maxOpenOrders ?? defaultLimits.maxOpenOrders,
    maxOrdersPerMinute: spec.maxOrdersPerMinute,
    maxDailyLossRatio: optionalDecimal(spec.maxDailyLossRatio),
    maxDrawdownRatio: optionalDecimal(spec.maxDrawdownRatio),
  };
}

function optionalDecimal(text: string | undefined): Decimal | undefined {
  return text === undefined ? undefined : parseDecimal(text);
}

/** For status: every limit in force as text. */
export function describeLimits(limits: Limits): Record<string, string> {
  const described: Record<string, string> = {};
  for (const [name, value] of Object.entries(limits) as [string, Decimal | number | undefined][]) {
    if (value !== undefined) described[name] = typeof value === "bigint" ? formatDecimal(value) : String(value);
  }
  return described;
}

/**
 * The chain every order passes: whether trading is allowed at all, then the cheapest limits first. The first denial is the verdict, so that all of them
 * have to be kept: the strictest wins.
 */
export function namedRules(limits: Limits): readonly NamedRule[] {
  return [
    { name: "trading-state", judge: tradingState },
    { name: "max-open-orders", judge: maxOpenOrders(limits.maxOpenOrders) },
    ...named("max-orders-per-minute", limits.maxOrdersPerMinute, maxOrdersPerMinute),
    ...named("max-order-notional", limits.maxOrderNotional, maxOrderNotional),
    ...named("max-daily-loss-ratio", limits.maxDailyLossRatio, maxDailyLossRatio),
    ...named("max-drawdown-ratio", limits.maxDrawdownRatio, maxDrawdownRatio),
    { name: "max-position-ratio", judge: maxPositionRatio(limits.maxPositionRatio) },
    ...named("max-token-concentration-ratio", limits.maxTokenConcentrationRatio, maxTokenConcentrationRatio),
  ];
}

/** {@link namedRules} as one rule. */
export function rulesFor(limits: Limits): Rule {
  return ruleChain(namedRules(limits).map(({ judge }) => judge));
}

function named<Limit>(name: string, limit: Limit | undefined, rule: (limit: Limit) => Rule): readonly NamedRule[] {
  return limit === undefined ? [] : [{ name, judge: rule(limit) }];
}
