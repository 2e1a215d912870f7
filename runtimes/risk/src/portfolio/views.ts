import {
  type AgentSnapshot,
  type BrokerOrder,
  type Decimal,
  type MarketRules,
  type PortfolioView,
  type StrategyView,
  type SubAccountView,
  type TradingCondition,
  type WireFill,
  ZERO,
  add,
  decimalToNumber,
  divide,
  formatDecimal,
  markToMarket,
  maximum,
  ratioOf,
  subtract,
} from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { Reconciliation } from "../account/reconcile.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import type { Strategy } from "../strategies/strategy.ts";
import type { TradingStatus } from "../strategies/trading-status.ts";
import type { AccountBook, BookFill, BookOrder } from "./book.ts";
import { accountEquity, assetBalances, assetNotional, marksOf } from "./valuation.ts";

const maxPositions = 64;
const maxOrders = 1_000;
const maxExposure = 100;

/** A sub-account as it travels: marked at the last closes, cash free of reservations. */
export function subAccountView(book: AccountBook, uid: string, currency: string): SubAccountView {
  const marked = markToMarket(book.subAccount(uid), currency, marksOf(book));
  const reserved = book.reserved(uid);
  return {
    startingCapital: formatDecimal(marked.capital),
    equity: formatDecimal(marked.equity),
    cash: formatDecimal(subtract(marked.cash, reserved)),
    reserved: formatDecimal(reserved),
    realizedPnl: formatDecimal(marked.realizedPnl),
    unrealizedPnl: formatDecimal(marked.unrealizedPnl),
    fees: formatDecimal(marked.fees),
    positions: marked.positions.slice(0, maxPositions).map(({ position, averagePrice, markPrice, notional, unrealizedPnl }) => ({
      market: position.market,
      quantity: formatDecimal(position.quantity),
      averagePrice: formatDecimal(averagePrice),
      markPrice: formatDecimal(markPrice),
      notional: formatDecimal(notional),
      unrealizedPnl: formatDecimal(unrealizedPnl),
    })),
  };
}

/** An order as the agent sees it. */
export function orderView(order: BookOrder): BrokerOrder {
  return {
    order: order.order,
    state: order.state,
    ...(order.venueOrderId !== undefined && { venueOrderId: order.venueOrderId }),
    filledQuantity: formatDecimal(order.filled),
    protectiveLegs: [...order.protectiveLegs],
    ...(order.reason !== undefined && { reason: order.reason.slice(0, 500) }),
    updatedAt: order.updatedAtMs,
  };
}

export function fillView(fill: BookFill, account: string): WireFill {
  const { tradeId, clientOrderId, market, side, feeAsset, time, leg } = fill;
  const [quantity, price, fee] = [formatDecimal(fill.quantity), formatDecimal(fill.price), formatDecimal(fill.fee)];
  return { account, tradeId, clientOrderId, market, side, quantity, price, fee, feeAsset, time, leg };
}

export interface StrategyWorld {
  readonly strategy: Strategy;
  readonly account: Account;
  readonly currency: string;
  readonly status: TradingStatus;
}

/** All an agent needs to go on where it was. */
export function agentSnapshot({ strategy, account, currency, status }: StrategyWorld): AgentSnapshot {
  const { book } = account;
  return {
    uid: strategy.uid,
    run: strategy.run,
    marketSet: strategy.marketSet,
    ...(strategy.lastDecisionTime !== undefined && { lastDecisionTime: strategy.lastDecisionTime }),
    state: strategy.state,
    marketTime: account.marketTimeMs,
    account: subAccountView(book, strategy.uid, currency),
    markets: rulesOf(strategy, account),
    orders: book.orders(strategy.uid).slice(0, maxOrders).map(orderView),
    trading: status,
  };
}

function rulesOf(strategy: Strategy, account: Account): MarketRules[] {
  const wanted = new Set(strategy.markets.map(({ market }) => market));
  return (account.venueState?.markets ?? []).filter(({ symbol }) => wanted.has(symbol)).slice(0, 16);
}

export function strategyView({ strategy, account, currency, status }: StrategyWorld): StrategyView {
  const lastBarTime = Math.max(0, ...strategy.markets.map(({ market }) => account.book.mark(market)?.timeMs ?? 0));
  return {
    uid: strategy.uid,
    name: strategy.name,
    accountName: account.name,
    account: subAccountView(account.book, strategy.uid, currency),
    ...(lastBarTime > 0 && { lastBarTime }),
    ...(strategy.lastDecisionTime !== undefined && { lastDecisionTime: strategy.lastDecisionTime }),
    decisions: strategy.decisions,
    workingOrders: account.book.openOrders(strategy.uid).length,
    trading: status,
  };
}

export interface PolicyWorld {
  readonly policy: EffectivePolicy;
  readonly epoch: number;
  readonly trading: TradingCondition;
  readonly accounts: readonly {
    readonly account: Account;
    readonly ready: boolean;
    readonly message: string;
    readonly reconciled: Reconciliation | undefined;
  }[];
  readonly strategies: readonly StrategyWorld[];
  readonly peakEquity: Decimal;
}

/** What goes into the status of the RiskPolicy and its strategies. */
export function portfolioView(world: PolicyWorld): PortfolioView {
  const { policy, trading, accounts } = world;
  const equity = totalEquity(accounts, policy.baseCurrency);
  const peak = maximum(world.peakEquity, equity);
  const exposure = exposureOf(accounts, { currency: policy.baseCurrency, equity });
  return {
    policyUid: policy.uid,
    epoch: world.epoch,
    state: trading.state,
    reason: (trading.message || "Trading is allowed.").slice(0, 500),
    equity: formatDecimal(equity),
    peakEquity: formatDecimal(peak),
    drawdownRatio: formatDecimal(drawdownOf(equity, peak)),
    riskScore: riskScore({ policy, exposure, drawdown: drawdownOf(equity, peak), accounts }),
    exposure: exposure.slice(0, maxExposure).map(({ asset, notional, ratio }) => ({
      asset,
      notional: formatDecimal(notional),
      ratio: formatDecimal(ratio),
    })),
    effectiveLimits: { ...policy.shownLimits },
    accounts: accounts.map(({ account, ready, message, reconciled }) => ({
      name: account.name,
      ready,
      message: message.slice(0, 500),
      equity: formatDecimal(accountEquity(account.book, policy.baseCurrency)),
      ...(account.marketTimeMs > 0 && { marketTime: account.marketTimeMs }),
      ...(reconciled && { lastReconciledTime: reconciled.atMs }),
      drift: [...(reconciled?.drift ?? [])],
    })),
    strategies: world.strategies.map(strategyView),
  };
}

/** Equity of all accounts in the base currency. */
export function totalEquity(accounts: readonly { readonly account: Account }[], currency: string): Decimal {
  return accounts.reduce((sum, { account }) => add(sum, accountEquity(account.book, currency)), ZERO);
}

/** Fall from the peak as a part of it, six decimals. */
export function drawdownOf(equity: Decimal, peak: Decimal): Decimal {
  return peak <= 0n || equity >= peak ? ZERO : ratioOf(subtract(peak, equity), peak);
}

interface Exposure {
  readonly asset: string;
  readonly notional: Decimal;
  readonly ratio: Decimal;
}

/** Everything held or ordered that is not the base currency, pending buys included, largest first. */
function exposureOf(accounts: PolicyWorld["accounts"], { currency, equity }: { currency: string; equity: Decimal }): Exposure[] {
  const sums = new Map<string, Decimal>();
  for (const { account } of accounts) {
    for (const [asset, amount] of assetBalances(account.book)) {
      if (asset === currency) continue;
      const pending = account.book.workingBuysNotional(asset);
      sums.set(asset, add(sums.get(asset) ?? ZERO, add(assetNotional(account.book, { asset, amount, currency }), pending)));
    }
  }
  return [...sums]
    .filter(([, notional]) => notional !== 0n)
    .map(([asset, notional]) => ({ asset, notional, ratio: ratioOf(notional, equity) }))
    .toSorted((left, right) => (left.notional < right.notional ? 1 : -1));
}

/** 0 idle to 100: how near the nearest of the enforced limits is (position ratio, open orders, drawdown). */
function riskScore({
  policy,
  exposure,
  drawdown,
  accounts,
}: {
  policy: EffectivePolicy;
  exposure: readonly Exposure[];
  drawdown: Decimal;
  accounts: PolicyWorld["accounts"];
}): number {
  const largest = exposure[0]?.ratio ?? ZERO;
  const openOrders = Math.max(0, ...accounts.map(({ account }) => account.book.openOrders().length));
  const shares = [
    decimalToNumber(divide(largest, policy.limits.maxPositionRatio, "down")),
    openOrders / policy.limits.maxOpenOrders,
    decimalToNumber(drawdown) / Number(policy.shownLimits["maxDrawdownRatio"] ?? "1"),
  ];
  return Math.min(100, Math.max(0, Math.round(100 * Math.max(...shares))));
}
