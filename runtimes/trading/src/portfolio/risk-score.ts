import { decimalToNumber, type Decimal } from "../decimal.ts";
import { isTripped, limitOf, type BreakerConfig } from "../breakers/breaker.ts";
import type { BreakerSet } from "../breakers/breaker-set.ts";
import type { Limits } from "../rules/limits.ts";

/** How far each limit is used up. Ratios of equity as in the limits themselves. */
export interface RiskUse {
  /** Largest share of its account's equity that one market has in any account, working buys included. */
  readonly positionRatio: number;
  /** Largest share of the policy's equity that one asset has over all accounts. */
  readonly concentrationRatio: number;
  /** Of the busiest account. */
  readonly openOrders: number;
  readonly ordersLastMinute: number;
  /** Of the UTC day, zero in profit. */
  readonly dailyLossRatio: number;
  readonly drawdownRatio: number;
}

/**
 * Risk score, 0 (idle) to 100 (a limit is reached or a breaker is tripped): 100 × the largest use of any limit or breaker, rounded half up, where the use of a limit is
 * what is used of it divided by it, and that of a breaker its measure divided by its threshold. The nearest limit decides: an average would hide it.
 * VenueStale counts only once it has tripped: seconds between two looks are no risk.
 */
export function riskScore(use: RiskUse, limits: Limits, breakers: BreakerSet): number {
  if (breakers.some(({ state }) => isTripped(state))) return 100;
  const uses = [
    share(use.positionRatio, limits.maxPositionRatio),
    share(use.concentrationRatio, limits.maxTokenConcentrationRatio),
    share(use.openOrders, limits.maxOpenOrders),
    share(use.ordersLastMinute, limits.maxOrdersPerMinute),
    share(use.dailyLossRatio, limits.maxDailyLossRatio),
    share(use.drawdownRatio, limits.maxDrawdownRatio),
    ...breakers.map(({ config, state }) => breakerUse(config, state.value ?? 0)),
  ];
  return Math.min(100, Math.max(0, Math.round(100 * Math.max(...uses))));
}

/** A spike's measure is a multiple whose usual is 1: a market that is as always uses nothing of it. */
function breakerUse(config: BreakerConfig, value: number): number {
  const limit = limitOf(config);
  switch (config.type) {
    case "VenueStale":
      return 0;
    case "VolatilitySpike":
    case "GasSpike":
      return limit <= 1 ? 0 : (value - 1) / (limit - 1);
    default:
      return value / limit;
  }
}

function share(used: number, limit: Decimal | number | undefined): number {
  if (limit === undefined) return 0;
  const bound = typeof limit === "bigint" ? decimalToNumber(limit) : limit;
  return bound <= 0 ? 0 : used / bound;
}
