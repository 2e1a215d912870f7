import { formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import { maxOpenOrders } from "./max-open-orders.ts";
import { maxOrderNotional } from "./max-order-notional.ts";
import { maxPositionRatio } from "./max-position-ratio.ts";
import { ruleChain, type Rule } from "./rule.ts";
import { tradingState } from "./trading-state.ts";

/** RiskPolicy `limits`, as they stand in the manifest: what is omitted gets the safe default. */
export interface LimitsSpec {
  readonly maxPositionRatio?: string | undefined;
  readonly maxOrderNotional?: string | undefined;
  readonly maxOpenOrders?: number | undefined;
}

export interface Limits {
  readonly maxPositionRatio: Decimal;
  /** Absent: no limit of its own; the position ratio bounds it. */
  readonly maxOrderNotional: Decimal | undefined;
  readonly maxOpenOrders: number;
}

/** A fifth of the equity in one market, twenty open orders. */
export const defaultLimits = { maxPositionRatio: "0.20", maxOpenOrders: 20 } as const;

/** The limits in force. Throws DECIMAL_INVALID. */
export function effectiveLimits(spec: LimitsSpec): Limits {
  return {
    maxPositionRatio: parseDecimal(spec.maxPositionRatio ?? defaultLimits.maxPositionRatio),
    maxOrderNotional: spec.maxOrderNotional === undefined ? undefined : parseDecimal(spec.maxOrderNotional),
    maxOpenOrders: spec.maxOpenOrders ?? defaultLimits.maxOpenOrders,
  };
}

/** For status: every limit in force as text. */
export function describeLimits(limits: Limits): Record<string, string> {
  return {
    maxPositionRatio: formatDecimal(limits.maxPositionRatio),
    ...(limits.maxOrderNotional === undefined ? {} : { maxOrderNotional: formatDecimal(limits.maxOrderNotional) }),
    maxOpenOrders: String(limits.maxOpenOrders),
  };
}

/** The chain every order passes: whether trading is allowed at all, then the cheapest limits first. */
export function rulesFor(limits: Limits): Rule {
  return ruleChain([
    tradingState,
    maxOpenOrders(limits.maxOpenOrders),
    ...(limits.maxOrderNotional === undefined ? [] : [maxOrderNotional(limits.maxOrderNotional)]),
    maxPositionRatio(limits.maxPositionRatio),
  ]);
}
