import { z } from "zod";
import { alert, alertRule } from "./alerts.ts";
import { breakerView, controlEvent, driftEntry, tradingHold } from "./control.ts";
import { decimalString, instantMs, positiveDecimalString, symbol, uid } from "./decimal-string.ts";
import { side } from "./intents.ts";
import { marketRules, timeframe } from "./market-data.ts";
import { brokerOrder } from "./orders.ts";

/** PUT risk /v1/strategies/{uid} (operator only): makes a strategy known, or changes it. Idempotent. */
export const strategyRegistration = z.strictObject({
  uid,
  namespace: z.string().max(63),
  name: z.string().max(63),
  /** `system:serviceaccount:<namespace>:<name>` of the agent: the only caller allowed to speak for this strategy. */
  subject: z.string().max(200),
  account: z.string().max(40),
  mode: z.enum(["Paper", "Live"]),
  markets: z.array(z.strictObject({ symbol, timeframe })).min(1).max(16),
  /** Part of the account's equity that moves into the sub-account on admission; the operator has resolved the default. */
  shareRatio: decimalString,
  /** True: working orders are cancelled and new intents denied with SUSPENDED. */
  suspended: z.boolean(),
  /** What to raise an alert about; absent: nothing. */
  alerts: z.array(alertRule).max(16).optional(),
});
export type StrategyRegistration = z.infer<typeof strategyRegistration>;

/** Answer of PUT and of DELETE risk /v1/strategies/{uid}?onDelete=Keep|Flatten. The operator's finalizer polls DELETE until `workingOrders` is 0 and `settled`. */
export const registrationReply = z.strictObject({
  uid,
  run: z.int().positive(),
  admitted: z.boolean(),
  /** Why not: a sentence. */
  message: z.string().max(500).optional(),
  workingOrders: z.int().nonnegative(),
  /** Nothing of this strategy is under way any more. */
  settled: z.boolean(),
});
export type RegistrationReply = z.infer<typeof registrationReply>;

export const position = z.strictObject({
  market: symbol,
  quantity: decimalString,
  averagePrice: decimalString,
  markPrice: decimalString,
  notional: decimalString,
  unrealizedPnl: decimalString,
});
export type WirePosition = z.infer<typeof position>;

/** A sub-account, marked to market. Amounts in the policy's base currency; `cash` is free of reservations already. */
export const subAccount = z.strictObject({
  startingCapital: decimalString,
  equity: decimalString,
  cash: decimalString,
  reserved: decimalString,
  realizedPnl: decimalString,
  unrealizedPnl: decimalString,
  fees: decimalString,
  positions: z.array(position).max(64),
});
export type SubAccountView = z.infer<typeof subAccount>;

/** GET risk /v1/strategies/{uid} (the agent itself, or the operator): all an agent needs to go on where it was. Also event `snapshot` of /v1/stream. */
export const agentSnapshot = z.strictObject({
  uid,
  run: z.int().positive(),
  marketSet: z.string().max(64),
  /** Market time of the last stored decision; absent before the first. */
  lastDecisionTime: instantMs.optional(),
  state: z.string().max(262_144),
  marketTime: instantMs,
  account: subAccount,
  markets: z.array(marketRules).max(16),
  orders: z.array(brokerOrder).max(1000),
  trading: z.strictObject({ allowed: z.boolean(), reason: z.string().max(64), message: z.string().max(500) }),
});
export type AgentSnapshot = z.infer<typeof agentSnapshot>;

/** One strategy in GET risk /v1/portfolio. */
export const strategyView = z.strictObject({
  uid,
  name: z.string().max(63),
  accountName: z.string().max(40),
  account: subAccount,
  lastBarTime: instantMs.optional(),
  lastDecisionTime: instantMs.optional(),
  decisions: z.int().nonnegative(),
  workingOrders: z.int().nonnegative(),
  /** reason: a condition reason such as Active, PolicyHalted, JournalUnavailable, MarketDataEnded, VenueUnreachable. */
  trading: z.strictObject({ allowed: z.boolean(), reason: z.string().max(64), message: z.string().max(500) }),
});
export type StrategyView = z.infer<typeof strategyView>;

/** GET risk /v1/portfolio (operator): what goes into RiskPolicy and Strategy status. */
export const portfolioView = z.strictObject({
  policyUid: uid,
  epoch: z.int().nonnegative(),
  state: z.enum(["Active", "Reducing", "Halted"]),
  reason: z.string().max(500),
  equity: decimalString,
  peakEquity: decimalString,
  drawdownRatio: decimalString,
  riskScore: z.int().min(0).max(100),
  exposure: z.array(z.strictObject({ asset: z.string().max(40), notional: decimalString, ratio: decimalString })).max(100),
  effectiveLimits: z.record(z.string().max(40), z.string().max(40)),
  accounts: z
    .array(
      z.strictObject({
        name: z.string().max(40),
        ready: z.boolean(),
        message: z.string().max(500),
        /** False: the opening balances have not been read yet, and `equity` is nobody's. Absent: true. */
        opened: z.boolean().optional(),
        equity: decimalString,
        marketTime: instantMs.optional(),
        lastReconciledTime: instantMs.optional(),
        drift: z.array(driftEntry).max(100),
        /** Opening balances of a paper account that the manifest has changed since they were given; absent: none. */
        ignoredBalances: z
          .array(z.strictObject({ asset: z.string().max(40), manifest: decimalString, journal: decimalString }))
          .max(100)
          .optional(),
      }),
    )
    .max(16),
  strategies: z.array(strategyView).max(500),
  /** Everything that holds trading now, the strictest first. */
  holds: z.array(tradingHold).max(100).optional(),
  breakers: z.array(breakerView).max(200).optional(),
  /** What people did, newest 50, oldest first. */
  controlEvents: z.array(controlEvent).max(50).optional(),
  /** What was worth telling, newest 50, oldest first. */
  alerts: z.array(alert).max(50).optional(),
});
export type PortfolioView = z.infer<typeof portfolioView>;

/**
 * Event `equity` of risk's /v1/stream without a strategy: equity, P&L and positions of the whole policy, marked to market, when they change and at most twice a
 * second. `time` is wall time. The first one comes with the connection.
 */
export const equityEvent = z.strictObject({
  time: instantMs,
  state: z.enum(["Active", "Reducing", "Halted"]),
  equity: decimalString,
  peakEquity: decimalString,
  drawdownRatio: decimalString,
  riskScore: z.int().min(0).max(100),
  accounts: z.array(z.strictObject({ name: z.string().max(40), equity: decimalString, ready: z.boolean() })).max(16),
  strategies: z
    .array(z.strictObject({ uid, name: z.string().max(63), accountName: z.string().max(40), account: subAccount }))
    .max(500),
});
export type EquityEvent = z.infer<typeof equityEvent>;

/** GET broker /v1/account (risk only). */
export const brokerAccount = z.strictObject({
  account: z.string().max(40),
  kind: z.enum(["paper", "ccxt", "solana"]),
  epoch: z.int().nonnegative(),
  marketTime: instantMs,
  /** `ended`: a replay reached its last bar. */
  feed: z.strictObject({ state: z.enum(["starting", "running", "stale", "ended", "failed"]), message: z.string().max(500) }),
  balances: z.array(z.strictObject({ asset: z.string().max(40), free: decimalString, locked: decimalString })).max(500),
  markets: z.array(marketRules).max(500),
  /** How the venue is to trade on; absent from older brokers. `code` is of the broker's closed set, `message` for a person. */
  venue: z
    .strictObject({
      accepts: z.enum(["all", "reducing", "none"]),
      code: z.string().max(64).optional(),
      message: z.string().max(500),
      clockOffsetMs: z.number().optional(),
      answeredAt: instantMs.optional(),
    })
    .optional(),
  /** Approvals of the last ten minutes that the broker refused and that no healthy risk sends: forged, replayed, of another epoch, above a hard cap. */
  alarms: z
    .array(
      z.strictObject({ code: z.string().max(64), count: z.int().positive(), lastAt: instantMs, message: z.string().max(300) }),
    )
    .max(32)
    .optional(),
  /** On what journal and venue disagree, in words: nothing is bought while it stands. */
  discrepancy: z.string().max(500).optional(),
  /** Trades of the last day that no order of ours explains, youngest first: another hand. They hold nothing up; drift does. `time` is market time. */
  foreignTrades: z
    .array(
      z.strictObject({
        tradeId: z.string().max(100),
        market: symbol,
        side,
        quantity: positiveDecimalString,
        price: positiveDecimalString,
        time: instantMs,
      }),
    )
    .max(20)
    .optional(),
  /** Venues on chains: what a transaction costs now, and what was paid since the begin of the UTC day, in the policy's base currency where a price is known. */
  fees: z
    .strictObject({
      gasPriceGwei: decimalString.optional(),
      priorityFeeMicroLamports: z.number().nonnegative().optional(),
      feeLamports: z.number().nonnegative().optional(),
      fee: decimalString.optional(),
      paidToday: decimalString.optional(),
    })
    .optional(),
  /** Prices of `referencePrice`, the second source, each beside the account's `own` of the same moment; `time` is wall time of the look. Old ones are left out. */
  references: z
    .array(z.strictObject({ market: symbol, price: decimalString, own: decimalString.optional(), time: instantMs }))
    .max(500)
    .optional(),
  /** Markets that have no price of the second source now, and why. Nothing stops because of it. */
  referencesMissing: z
    .array(z.strictObject({ market: symbol, message: z.string().max(300) }))
    .max(500)
    .optional(),
});
export type BrokerAccount = z.infer<typeof brokerAccount>;
