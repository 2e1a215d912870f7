import {
  type AgentSnapshot,
  type Alert,
  type BreakerSet,
  type BreakerView,
  type BrokerOrder,
  type ControlEvent,
  type Decimal,
  type EquityEvent,
  type MarketRules,
  type PortfolioView,
  type RiskUse,
  type StrategyView,
  type SubAccountView,
  type TradingCondition,
  type TradingHold,
  type WireFill,
  ZERO,
  add,
  decimalToNumber,
  formatDecimal,
  markToMarket,
  maximum,
  ratioOf,
  riskScore,
  subtract,
} from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { Reconciliation } from "../account/reconcile.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import type { Strategy } from "../strategies/strategy.ts";
import type { TradingStatus } from "../strategies/trading-status.ts";
import type { AccountBook, BookFill, BookOrder } from "./book.ts";
import { ignoredBalances } from "./ignored-balances.ts";
import type { EquityReferences } from "./policy-view.ts";
import { accountEquity, assetBalances, assetNotional, marksOf } from "./valuation.ts";

const maxPositions = 64;
const maxOrders = 1_000;
const maxExposure = 100;
const maxHolds = 100;
const minuteMs = 60_000;

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
  readonly references: EquityReferences;
  readonly breakers: BreakerSet;
  readonly breakerViews: readonly BreakerView[];
  readonly holds: readonly TradingHold[];
  readonly controlEvents: readonly ControlEvent[];
  readonly alerts: readonly Alert[];
}

/** What goes into the status of the RiskPolicy and its strategies. */
export function portfolioView(world: PolicyWorld): PortfolioView {
  const { policy, trading, accounts } = world;
  const equity = totalEquity(accounts, policy.baseCurrency);
  const peak = maximum(world.references.peakEquity, equity);
  const exposure = exposureOf(accounts, { currency: policy.baseCurrency, equity });
  return {
    policyUid: policy.uid,
    epoch: world.epoch,
    state: trading.state,
    reason: (trading.message || "Trading is allowed.").slice(0, 500),
    equity: formatDecimal(equity),
    peakEquity: formatDecimal(peak),
    drawdownRatio: formatDecimal(drawdownOf(equity, peak)),
    riskScore: riskScore(riskUse(world, { exposure, equity }), policy.limits, world.breakers),
    exposure: exposure.slice(0, maxExposure).map(({ asset, notional, ratio }) => ({
      asset,
      notional: formatDecimal(notional),
      ratio: formatDecimal(ratio),
    })),
    effectiveLimits: { ...policy.shownLimits },
    accounts: accounts.map((each) => accountView(each, policy)),
    strategies: world.strategies.map(strategyView),
    holds: [...world.holds].slice(0, maxHolds),
    breakers: [...world.breakerViews],
    controlEvents: [...world.controlEvents],
    alerts: [...world.alerts],
  };
}

function accountView(
  { account, ready, message, reconciled }: PolicyWorld["accounts"][number],
  policy: EffectivePolicy,
): PortfolioView["accounts"][number] {
  const { name, book, opened, marketTimeMs } = account;
  const ignored = opened ? ignoredBalances(policy.accounts.get(name)?.paperBalances, book) : [];
  return {
    name,
    ready,
    message: message.slice(0, 500),
    ...(!opened && { opened }),
    equity: formatDecimal(accountEquity(book, policy.baseCurrency)),
    ...(marketTimeMs > 0 && { marketTime: marketTimeMs }),
    ...(reconciled && { lastReconciledTime: reconciled.atMs }),
    drift: [...(reconciled?.drift ?? [])],
    ...(ignored.length > 0 && { ignoredBalances: ignored }),
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

/** How far the limits are used up, for the score; see docs/risk.md. */
export function riskUse(
  { policy, accounts, references }: Pick<PolicyWorld, "policy" | "accounts" | "references">,
  { exposure, equity }: { exposure: readonly Exposure[]; equity: Decimal },
): RiskUse {
  const { baseCurrency: currency } = policy;
  const positions = accounts.map((each) => {
    const own = accountEquity(each.account.book, currency);
    return decimalToNumber(exposureOf([each], { currency, equity: own })[0]?.ratio ?? ZERO);
  });
  const peak = maximum(references.peakEquity, equity);
  return {
    positionRatio: Math.max(0, ...positions),
    concentrationRatio: decimalToNumber(exposure[0]?.ratio ?? ZERO),
    openOrders: Math.max(0, ...accounts.map(({ account }) => account.book.openOrders().length)),
    ordersLastMinute: Math.max(0, ...accounts.map(({ account }) => account.book.ordersSince(account.marketTimeMs - minuteMs))),
    dailyLossRatio: decimalToNumber(dailyLossOf(equity, references.dayStartEquity)),
    drawdownRatio: decimalToNumber(drawdownOf(equity, peak)),
  };
}

/** Loss of the day as a part of its first equity, six decimals; zero in profit. */
export function dailyLossOf(equity: Decimal, dayStart: Decimal): Decimal {
  return drawdownOf(equity, dayStart);
}

/** A look at the policy for its stream: what moves with every mark. */
export function equityEventOf(view: PortfolioView, timeMs: number): EquityEvent {
  const { state, equity, peakEquity, drawdownRatio, riskScore, strategies } = view;
  return {
    time: timeMs,
    state,
    equity,
    peakEquity,
    drawdownRatio,
    riskScore,
    accounts: view.accounts.map(({ name, equity: own, ready }) => ({ name, equity: own, ready })),
    strategies: strategies.map(({ uid, name, accountName, account }) => ({ uid, name, accountName, account })),
  };
}
