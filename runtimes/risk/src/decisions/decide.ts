import { createHash } from "node:crypto";
import type { Transaction } from "@bellwether/postgres";
import { type Clock, CodedError, type Logger } from "@bellwether/service-kit";
import {
  ALLOWED,
  type Decimal,
  type DecisionReply,
  type DecisionRequest,
  type Denial,
  type GasLimits,
  type PolicyView,
  type Sizing,
  type TradingCondition,
  type Verdict,
  ZERO,
  add,
  decisionReply,
  isOpen,
  judgeFee,
  parseDecimal,
  rulesFor,
  timeframeMs,
  tradingCosts,
  yearlyVolatility,
} from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { RiskErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import { insertPlan, readOrder, storeCancelRequest, storeNonce } from "../journal/order-records.ts";
import { readStrategy } from "../journal/strategy-records.ts";
import type { CommittedOrder } from "../orders/dispatch.ts";
import type { Signer } from "../orders/signer.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { type AccountBook, type BookOrder, unfilledOrder } from "../portfolio/book.ts";
import type { StrategyRegistry } from "../strategies/registry.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { type DecisionWorld, type PlannedDecision, type PlannedOrder, planDecision } from "./plan-decision.ts";

export interface DecideContext {
  readonly account: Account;
  readonly registry: StrategyRegistry;
  readonly policy: EffectivePolicy;
  readonly trading: TradingCondition;
  /** All accounts of the policy, this one by the book that is handed in. */
  readonly policyView: (book: AccountBook) => PolicyView;
  readonly signer: Signer;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failPoints: FailPoints;
}

export interface Decided {
  readonly reply: DecisionReply;
  /** To be dispatched, once, by the caller; already in `account.inFlight`. */
  readonly orders: readonly CommittedOrder[];
  /** Cancellations were asked for: the settlement has work. */
  readonly cancels: boolean;
  /** The row as committed; absent for a repeated decision. */
  readonly strategy: Strategy | undefined;
}

/**
 * Takes one decision: looks it up, judges it and stores everything it leads to in one transaction. Runs alone on the account.
 *
 * A decision that is stored already is answered from the journal, whatever the world looks like now.
 *
 * @throws CodedError ALREADY_DECIDED, RUN_MISMATCH, NOT_REGISTERED, NOT_ADMITTED, VENUE_UNREACHABLE, JOURNAL_UNAVAILABLE, EPOCH_LOST
 */
export async function decide(request: DecisionRequest, context: DecideContext): Promise<Decided> {
  const { account } = context;
  const digest = digestOf(request);
  // Until the broker has answered and its balances have been compared nothing is known: a denial now would spend the bar on a start-up.
  if (!account.venueState)
    throw new CodedError<RiskErrorCode>("VENUE_UNREACHABLE", `the broker of account ${account.name} has not answered yet`);
  if (!account.compared)
    throw new CodedError<RiskErrorCode>("VENUE_UNREACHABLE", `account ${account.name} has not been compared with its venue yet`);
  if (request.replaces.length > 0) await cancelReplaced(request, context);
  return account.exclusive(async (book) => {
    const committed = await account.write(async (transaction) => {
      const { stored, found } = await readDecision(transaction, { request, digest, account });
      if (stored) return { reply: stored, plan: undefined, nonces: [], strategy: undefined };
      const strategy = requireDecidable(found, request);
      const world = worldOf(context, { strategy, book, replaced: await readReplaced(transaction, request, book) });
      const plan = planDecision(request, world);
      const { reply, nonces } = await storeDecision(transaction, { request, digest, plan }, context);
      context.failPoints.pass("before-journal-commit");
      const decided = {
        ...strategy,
        state: request.state,
        lastDecisionTime: request.decisionTime,
        decisions: strategy.decisions + 1,
        decisionFault: faultOf(request),
      };
      return { reply, plan, nonces, strategy: decided };
    });
    if (committed.strategy) context.registry.put(committed.strategy);
    const orders = takeIntoBook(book, { ...committed, strategyUid: request.strategyUid }, context);
    // Before the account is released: from here on the settlement must leave these orders to the dispatcher.
    for (const { order } of orders) account.inFlight.add(order.order.clientOrderId);
    context.failPoints.pass("after-journal-commit");
    return { reply: committed.reply, orders, cancels: (committed.plan?.cancels.length ?? 0) > 0, strategy: committed.strategy };
  }, "itself");
}

/** All that is read before a decision is judged, in one way there and back; the book is up to date with the broker's journal then. */
async function readDecision(
  transaction: Transaction,
  { request, digest, account }: { request: DecisionRequest; digest: string; account: Account },
): Promise<{ stored: DecisionReply | undefined; found: Strategy | undefined }> {
  const asked = Promise.all([storedReply(transaction, request, digest), readStrategy(transaction, request.strategyUid, true)]);
  const caughtUp = account.catchUp(transaction);
  // Both to their ends, also when one fails: what is folded late would be folded by somebody else as well.
  await Promise.allSettled([asked, caughtUp]);
  await caughtUp;
  const [stored, found] = await asked;
  return { stored, found };
}

/** Digest of a decision as it was parsed: equal requests, equal digests, whatever the order of their keys was. */
function digestOf(request: DecisionRequest): string {
  return createHash("sha256").update(JSON.stringify(request)).digest("hex");
}

async function storedReply(
  transaction: Transaction,
  request: DecisionRequest,
  digest: string,
): Promise<DecisionReply | undefined> {
  const { strategyUid, run, marketSet, decisionTime } = request;
  const [[row], [cursor]] = await Promise.all([
    transaction.query<{ body_sha256: string; reply: unknown }>(
      "select body_sha256, reply from risk.decisions where strategy_uid = $1 and run = $2 and market_set = $3 and decision_time_ms = $4",
      [strategyUid, run, marketSet, decisionTime],
    ),
    transaction.query<{ decision_time_ms: string }>(
      "select decision_time_ms from risk.cursors where strategy_uid = $1 and run = $2 and market_set = $3",
      [strategyUid, run, marketSet],
    ),
  ]);
  if (row?.body_sha256 === digest) return { ...decisionReply.parse(row.reply), stored: "repeated" };
  if (!row && (!cursor || Number(cursor.decision_time_ms) < decisionTime)) return undefined;
  const lastDecisionTime = Number(cursor?.decision_time_ms ?? decisionTime);
  throw new CodedError<RiskErrorCode>(
    "ALREADY_DECIDED",
    `the bar at ${decisionTime} is decided; the last decision was at ${lastDecisionTime}`,
    {
      context: { decisionTime, lastDecisionTime },
    },
  );
}

function requireDecidable(strategy: Strategy | undefined, { strategyUid, run, marketSet }: DecisionRequest): Strategy {
  if (!strategy || strategy.settled)
    throw new CodedError<RiskErrorCode>("NOT_REGISTERED", `strategy ${strategyUid} is not registered`);
  if (!strategy.admitted)
    throw new CodedError<RiskErrorCode>("NOT_ADMITTED", `strategy ${strategyUid} has not been given its capital yet`);
  if (strategy.run !== run || strategy.marketSet !== marketSet) {
    const message = `the decision is of run ${run} on market set ${marketSet}; registered are run ${strategy.run} and ${strategy.marketSet}`;
    throw new CodedError<RiskErrorCode>("RUN_MISMATCH", message, {
      context: { run: strategy.run, marketSet: strategy.marketSet },
    });
  }
  return strategy;
}

const minuteMs = 60_000;

/** The world of a decision as it is now. */
export function worldOf(
  { account, policy, policyView, trading, clock }: DecideContext,
  { strategy, book, replaced }: { strategy: Strategy; book: AccountBook; replaced: ReadonlyMap<string, BookOrder> },
): DecisionWorld {
  const costs = policy.accounts.get(account.name)?.costs ?? withoutCosts;
  return {
    strategy: {
      uid: strategy.uid,
      suspended: strategy.suspended || strategy.deletion !== undefined,
      markets: strategy.markets.map(({ market }) => market),
    },
    book,
    currency: policy.baseCurrency,
    costs,
    rules: rulesFor(policy.limits),
    limits: policy.limits,
    sizing: policy.sizing,
    volatility: (market) => volatilityOf(market, { strategy, account, sizing: policy.sizing }),
    judgeFee: (reduceOnly) => judgeVenueFee(account, { gas: policy.gas, nowMs: clock.nowMs(), reduceOnly }),
    policy: policyView(book),
    ordersLastMinute: book.ordersSince(account.marketTimeMs - minuteMs),
    trading,
    terms: (market) => account.terms(market),
    blocked: blockedBy(account, policy),
    marketTime: account.marketTimeMs,
    replaced,
  };
}

function volatilityOf(
  market: string,
  { strategy, account, sizing }: { strategy: Strategy; account: Account; sizing: Sizing | undefined },
): number | undefined {
  const series = strategy.markets.find((candidate) => candidate.market === market);
  if (series === undefined || sizing === undefined) return undefined;
  return yearlyVolatility(account.closes.latest(series, sizing.lookbackBars + 1), timeframeMs(series.timeframe));
}

/** Of venues on chains; others quote nothing and are allowed. */
function judgeVenueFee(
  { venueState, feeHistory }: Account,
  { gas, nowMs, reduceOnly }: { gas: GasLimits; nowMs: number; reduceOnly: boolean },
): Verdict {
  const fees = venueState?.fees;
  if (fees === undefined) return ALLOWED;
  const decimal = (text: string | undefined): Decimal | undefined => (text === undefined ? undefined : parseDecimal(text));
  const { priorityFeeMicroLamports, feeLamports } = fees;
  const quote = { gasPriceGwei: decimal(fees.gasPriceGwei), priorityFeeMicroLamports, feeLamports, fee: decimal(fees.fee) };
  return judgeFee(quote, gas, { spentToday: decimal(fees.paidToday) ?? ZERO, history: feeHistory, timeMs: nowMs, reduceOnly });
}

/** Of an account that is not in the policy any more; nothing is bought there, see `blockedBy`. */
const withoutCosts = tradingCosts({ feeBps: "0", slippageBps: "0" });

const notCompared = "Journal and venue have not been compared since risk began.";

function blockedBy(account: Account, policy: EffectivePolicy): Denial | undefined {
  if (account.endedMessage !== undefined) return { allowed: false, reason: "MARKET_DATA_ENDED", market: account.name };
  if (!account.venueReachable || !policy.accounts.has(account.name))
    return { allowed: false, reason: "VENUE_UNREACHABLE", account: account.name };
  if (account.heldMessage !== undefined) return { allowed: false, reason: "ACCOUNT_HELD", message: account.heldMessage };
  if (!account.compared) return { allowed: false, reason: "ACCOUNT_HELD", message: notCompared };
  return undefined;
}

/** What came of the last question is what the decision was made with: a repaired answer has no fault. */
function faultOf({ evidence }: DecisionRequest): string | undefined {
  return evidence?.at(-1)?.fault;
}

interface DecisionToStore {
  readonly request: DecisionRequest;
  readonly digest: string;
  readonly plan: PlannedDecision;
}

async function storeDecision(
  transaction: Transaction,
  { request, digest, plan }: DecisionToStore,
  { account, signer, epoch }: DecideContext,
): Promise<{ reply: DecisionReply; nonces: string[] }> {
  const { strategyUid, run, marketSet, decisionTime, state, evidence } = request;
  const reply: DecisionReply = { decisionTime, stored: "new", results: plan.intents.map(({ result }) => result) };
  // Given together, executed in this order; the first that fails rolls all of them back.
  const writes: Promise<unknown>[] = [];
  const write = (sql: string, values: readonly unknown[]): void => void writes.push(transaction.query(sql, values));
  write(
    `insert into risk.decisions (strategy_uid, run, market_set, decision_time_ms, body_sha256, reply, epoch, evidence)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [strategyUid, run, marketSet, decisionTime, digest, JSON.stringify(reply), epoch, evidence ? JSON.stringify(evidence) : null],
  );
  write(
    `insert into risk.cursors (strategy_uid, run, market_set, decision_time_ms) values ($1, $2, $3, $4)
     on conflict (strategy_uid, run, market_set) do update set decision_time_ms = excluded.decision_time_ms`,
    [strategyUid, run, marketSet, decisionTime],
  );
  write(
    "update risk.strategies set state = $2, last_decision_ms = $3, decisions = decisions + 1, decision_fault = $4 where uid = $1",
    [strategyUid, state, decisionTime, faultOf(request) ?? null],
  );
  writes.push(insertPlan(transaction, { strategyUid, accountUid: account.accountUid, run, decisionTime, epoch }, plan));
  const nonces: string[] = [];
  for (const { order } of plan.orders) {
    const nonce = signer.newNonce();
    const { clientOrderId, attempt } = order;
    writes.push(storeNonce(transaction, { nonce, clientOrderId, keyId: signer.keyId, epoch, attempt }));
    nonces.push(nonce);
  }
  for (const { clientOrderId, legs } of plan.cancels) writes.push(storeCancelRequest(transaction, clientOrderId, legs));
  await Promise.all(writes);
  return { reply, nonces };
}

function takeIntoBook(
  book: AccountBook,
  { plan, nonces, strategyUid }: { plan: PlannedDecision | undefined; nonces: readonly string[]; strategyUid: string },
  { epoch, clock }: DecideContext,
): CommittedOrder[] {
  for (const { clientOrderId, legs } of plan?.cancels ?? []) {
    const order = book.order(clientOrderId);
    if (order && order.cancelRequested !== "all") order.cancelRequested = legs;
  }
  return (plan?.orders ?? []).map((planned, index) => {
    const order = approvedOrder(planned, { strategyUid, epoch, nowMs: clock.nowMs() });
    book.addOrder(order);
    book.countOrder(order.order.decisionTime);
    return { order, nonce: nonces[index] ?? "" };
  });
}

/** A planned order as it stands right after its commit. */
export function approvedOrder(
  planned: PlannedOrder,
  { strategyUid, epoch, nowMs }: { strategyUid: string; epoch: number; nowMs: number },
): BookOrder {
  const { order, body, quantity, reservation, maxCost } = planned;
  return unfilledOrder({
    order,
    body,
    strategyUid,
    epoch,
    quantity,
    reservation,
    maxCost,
    createdAtMs: nowMs,
    state: "Approved",
    cancelRequested: undefined,
    releaseStored: false,
  });
}

/** Longest wait for the venue's confirmation that an order about to be replaced is gone. */
const confirmationMs = 1_500;
const lookEveryMs = 25;

/**
 * The first half of a replace: cancels the old orders and waits until the broker's journal shows them ended, so that their reservations are free when the
 * replacements are judged. Cancelling only ever lowers exposure: should the decision not be stored after all, no harm is done.
 */
async function cancelReplaced(request: DecisionRequest, { account, clock, log }: DecideContext): Promise<void> {
  const mine = (book: AccountBook): BookOrder[] =>
    request.replaces.flatMap(({ clientOrderId }) =>
      book.openOrders(request.strategyUid).filter(({ order }) => order.clientOrderId === clientOrderId),
    );
  const wanted = await account.exclusive(async (book) => {
    if (await account.write((transaction) => storedReply(transaction, request, digestOf(request)))) return [];
    const open = mine(book);
    if (open.length === 0) return open;
    await account.write(async (transaction) => {
      for (const { order } of open) await storeCancelRequest(transaction, order.clientOrderId, "entry");
    });
    for (const order of open) order.cancelRequested ??= "entry";
    return open;
  });
  await Promise.all(
    wanted.map(({ order }) =>
      account.broker.cancel(order.clientOrderId, "entry").catch((error: unknown) => {
        log.warn({ err: error, clientOrderId: order.clientOrderId }, "an order to be replaced could not be cancelled");
      }),
    ),
  );
  const untilMs = clock.nowMs() + confirmationMs;
  while (wanted.length > 0 && clock.nowMs() < untilMs) {
    const open = await account.exclusive(async (book) => mine(book).length);
    if (open === 0) return;
    await clock.sleep(lookEveryMs);
  }
}

/** The orders that a decision replaces, from the book, or from the journal when they ended a while ago. */
async function readReplaced(
  transaction: Transaction,
  request: DecisionRequest,
  book: AccountBook,
): Promise<ReadonlyMap<string, BookOrder>> {
  const replaced = new Map<string, BookOrder>();
  for (const { clientOrderId } of request.replaces) {
    const order = book.order(clientOrderId) ?? (await readEnded(transaction, clientOrderId));
    if (order) replaced.set(clientOrderId, order);
  }
  return replaced;
}

async function readEnded(transaction: Transaction, clientOrderId: string): Promise<BookOrder | undefined> {
  const order = await readOrder(transaction, clientOrderId);
  if (!order || isOpen(order.state)) return undefined;
  const fills = await transaction.query<{ quantity: string }>(
    "select quantity from broker.fills where client_order_id = $1 and leg = 'entry'",
    [clientOrderId],
  );
  for (const { quantity } of fills) order.filled = add(order.filled, parseDecimal(quantity));
  return order;
}
