import { parseDecimal, ZERO } from "../decimal.ts";
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
    ordersLastMinute?: number;
    /** Of the policy; the account's unless told. */
    policyEquity?: string;
    dayStartEquity?: string;
    peakEquity?: string;
    policyHeld?: Record<string, string>;
    trading?: TradingCondition;
  } = {},
): RiskView {
  const exposure = (market: string): MarketExposure => ({
    positionNotional: parseDecimal(given.held?.[market] ?? "0"),
    workingBuysNotional: parseDecimal(given.workingBuys?.[market] ?? "0"),
  });
  const equity = parseDecimal(given.equity ?? "10000");
  const policyEquity = given.policyEquity === undefined ? equity : parseDecimal(given.policyEquity);
  return {
    trading: given.trading ?? TRADING_ACTIVE,
    equity,
    exposure,
    openOrders: given.openOrders ?? 0,
    ordersLastMinute: given.ordersLastMinute ?? 0,
    policy: {
      equity: policyEquity,
      dayStartEquity: given.dayStartEquity === undefined ? policyEquity : parseDecimal(given.dayStartEquity),
      peakEquity: given.peakEquity === undefined ? policyEquity : parseDecimal(given.peakEquity),
      exposure: (market) =>
        given.policyHeld === undefined
          ? exposure(market)
          : { positionNotional: parseDecimal(given.policyHeld[market] ?? "0"), workingBuysNotional: ZERO },
    },
  };
}
