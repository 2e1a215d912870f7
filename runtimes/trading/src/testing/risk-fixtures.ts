import { parseDecimal } from "../decimal.ts";
import type { MarketExposure, RiskView, SizedOrder, TradingCondition } from "../rules/rule.ts";
import { TRADING_ACTIVE } from "../rules/trading-state.ts";

/** A buy of `notional`, one unit. */
export function buyOf(notional: string, market = "BTC/USDT"): SizedOrder {
  return { market, side: "buy", quantity: parseDecimal("1"), notional: parseDecimal(notional), reduceOnly: false };
}

export function sellOf(notional: string, market = "BTC/USDT"): SizedOrder {
  return { market, side: "sell", quantity: parseDecimal("1"), notional: parseDecimal(notional), reduceOnly: true };
}

/** An account for rules: equity 10,000 and nothing else unless told. Notionals per market. */
export function riskView(
  given: {
    equity?: string;
    held?: Record<string, string>;
    workingBuys?: Record<string, string>;
    openOrders?: number;
    trading?: TradingCondition;
  } = {},
): RiskView {
  const exposure = (market: string): MarketExposure => ({
    positionNotional: parseDecimal(given.held?.[market] ?? "0"),
    workingBuysNotional: parseDecimal(given.workingBuys?.[market] ?? "0"),
  });
  return {
    trading: given.trading ?? TRADING_ACTIVE,
    equity: given.equity === undefined ? parseDecimal("10000") : parseDecimal(given.equity),
    exposure,
    openOrders: given.openOrders ?? 0,
  };
}
