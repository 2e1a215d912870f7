import type { Decimal } from "../decimal.ts";
import { ALLOWED, type TradingAuthority, type Verdict } from "./verdict.ts";

/** An order after sizing, as the rules see it. */
export interface SizedOrder {
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: Decimal;
  /** What it is worth in the base currency: quantity × the higher of signal price and limit (buys), × signal price (sells). */
  readonly notional: Decimal;
  /** A sell that only shrinks a position: what Reducing lets through. */
  readonly reduceOnly: boolean;
}

/** What one market adds to the account's exposure, in the base currency. */
export interface MarketExposure {
  /** Held quantity × last close. */
  readonly positionNotional: Decimal;
  /** Reserved cost of every approved buy that has not ended, partial fills taken off. */
  readonly workingBuysNotional: Decimal;
}

export type TradingState = "Active" | "Reducing" | "Halted";
export interface TradingCondition {
  readonly state: TradingState;
  readonly by: TradingAuthority;
  readonly message: string;
}

/** All accounts of a policy together. Losses are marked to market; transfers move their references, so that a deposit is no gain. */
export interface PolicyView {
  readonly equity: Decimal;
  /** Equity at the begin of the UTC day of market time. */
  readonly dayStartEquity: Decimal;
  readonly peakEquity: Decimal;
  /** Of the market's base asset, over all accounts. */
  exposure(market: string): MarketExposure;
}

/** The account as the rules see it: every pending order counted, marked at the last close. */
export interface RiskView {
  readonly trading: TradingCondition;
  readonly equity: Decimal;
  exposure(market: string): MarketExposure;
  /** Approved orders that have not ended, whatever their state. */
  readonly openOrders: number;
  /** Orders of the account approved in the last 60 s of market time. */
  readonly ordersLastMinute: number;
  readonly policy: PolicyView;
}

/** A rule looks at one order and the account and says yes or no with its numbers. Pure: no clock, no I/O. */
export type Rule = (order: SizedOrder, view: RiskView) => Verdict;

export interface NamedRule {
  /** As in docs/verdicts.md. */
  readonly name: string;
  readonly judge: Rule;
}

/** Judges by every rule in order; the first denial is the verdict. */
export function ruleChain(rules: readonly Rule[]): Rule {
  return (order, view) => {
    for (const rule of rules) {
      const verdict = rule(order, view);
      if (!verdict.allowed) return verdict;
    }
    return ALLOWED;
  };
}
