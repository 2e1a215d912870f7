import { type DecisionRequest, type RegistrationReply, formatDecimal } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import { type DecideContext, approvedOrder, worldOf } from "../decisions/decide.ts";
import { planFlatten } from "../decisions/plan-decision.ts";
import { insertPlan, storeNonce } from "../journal/order-records.ts";
import { readStrategy } from "../journal/strategy-records.ts";
import type { CommittedOrder } from "../orders/dispatch.ts";
import { firstFlattenOrdinal, flattenOrdinals } from "../orders/flatten-ordinals.ts";
import { type AccountBook, unassigned } from "../portfolio/book.ts";
import { type DeletionStep, type Handover, planDeletion } from "./plan-deletion.ts";
import { replyOf } from "./register.ts";
import type { StrategyRegistry } from "./registry.ts";
import type { Strategy } from "./strategy.ts";

export interface DeleteContext {
  readonly account: Account;
  readonly registry: StrategyRegistry;
}

/** Marks a strategy for deletion, for good; the steps are taken by `progressDeletion`. Asking again tells how far it is. */
export async function requestDeletion(
  uid: string,
  onDelete: "Keep" | "Flatten",
  { account, registry }: DeleteContext,
): Promise<RegistrationReply> {
  return account.exclusive(async (book) => {
    const strategy = await account.write(async (transaction) => {
      await transaction.query("update risk.strategies set deletion = coalesce(deletion, $2) where uid = $1", [uid, onDelete]);
      return readStrategy(transaction, uid);
    });
    if (!strategy) return { uid, run: 1, admitted: false, workingOrders: 0, settled: true };
    registry.put(strategy);
    return replyOf(strategy, book, undefined);
  });
}

/**
 * Takes the next step of a deletion, if it is time for one. Orders in the result are to be dispatched by the caller.
 *
 * @throws CodedError JOURNAL_UNAVAILABLE, EPOCH_LOST
 */
export async function progressDeletion(uid: string, context: DeleteContext & DecideContext): Promise<readonly CommittedOrder[]> {
  const { account, registry, log } = context;
  return account.exclusive(async (book) => {
    const strategy = registry.get(uid);
    if (!strategy?.deletion) return [];
    const step = stepOf(strategy, book, account);
    if (step.step === "wait") return [];
    if (step.step === "sell") return sell({ strategy, book, step }, context);
    await handOver({ strategy, book, balances: step.balances }, context);
    log.info({ strategy: strategy.name, uid, balances: step.balances.length }, "a deleted strategy is settled");
    return [];
  });
}

function stepOf(strategy: Strategy, book: AccountBook, account: Account): DeletionStep {
  const { uid, markets, deletion = "Keep" } = strategy;
  return planDeletion({
    strategy: { uid, markets, deletion },
    book,
    terms: (market) => account.terms(market),
    venueKnown: account.venueState !== undefined,
    ended: account.endedMessage !== undefined,
  });
}

async function handOver(
  { strategy, book, balances }: { strategy: Strategy; book: AccountBook; balances: readonly Handover[] },
  { account, registry }: DeleteContext,
): Promise<void> {
  await account.write(async (transaction) => {
    for (const { asset, amount, cost } of balances) {
      await transaction.query(
        "insert into risk.transfers (account_uid, kind, from_sub_account, to_sub_account, asset, amount, cost) values ($1, 'Settlement', $2, $3, $4, $5, $6)",
        [
          account.accountUid,
          strategy.uid,
          unassigned,
          asset,
          formatDecimal(amount),
          cost === undefined ? null : formatDecimal(cost),
        ],
      );
    }
    await transaction.query("update risk.strategies set settled_at = now() where uid = $1", [strategy.uid]);
  });
  for (const { asset, amount } of balances) book.applyTransfer({ from: strategy.uid, to: unassigned, asset, amount });
  registry.put({ ...strategy, settled: true });
}

async function sell(
  { strategy, book, step }: { strategy: Strategy; book: AccountBook; step: Extract<DeletionStep, { step: "sell" }> },
  context: DecideContext,
): Promise<CommittedOrder[]> {
  const { account, signer, epoch, clock, log } = context;
  const committed = await account.write(async (transaction) => {
    const [row] = await transaction.query<{ count: string }>(
      "select count(*) from risk.intents where strategy_uid = $1 and kind = 'flatten'",
      [strategy.uid],
    );
    const attempts = Number(row?.count ?? 0);
    const request = flattenRequest(strategy, { sales: step.sales, attempts, marketTime: account.marketTimeMs });
    const plan = planFlatten(request, worldOf(context, { strategy, book, replaced: new Map() }));
    // Denied sells are not journaled: while trading is halted this is tried again and again.
    const allowed = { ...plan, intents: plan.intents.filter(({ verdict }) => verdict.allowed) };
    const key = {
      strategyUid: strategy.uid,
      accountUid: account.accountUid,
      run: strategy.run,
      decisionTime: request.decisionTime,
      epoch,
    };
    await insertPlan(transaction, key, allowed);
    const nonces = plan.orders.map(() => signer.newNonce());
    for (const [index, { order }] of plan.orders.entries()) {
      await storeNonce(transaction, {
        nonce: nonces[index] ?? "",
        clientOrderId: order.clientOrderId,
        keyId: signer.keyId,
        epoch,
        attempt: order.attempt,
      });
    }
    return { plan, nonces };
  });
  if (committed.plan.orders.length === 0) {
    log.info(
      { strategy: strategy.name, intents: committed.plan.intents.map(({ result }) => result.verdict) },
      "a deleted strategy's position cannot be sold yet",
    );
  }
  return committed.plan.orders.map((planned, index) => {
    const order = approvedOrder(planned, { strategyUid: strategy.uid, epoch, nowMs: clock.nowMs() });
    book.addOrder(order);
    account.inFlight.add(order.order.clientOrderId);
    return { order, nonce: committed.nonces[index] ?? "" };
  });
}

function flattenRequest(
  { uid, run, marketSet, state }: Strategy,
  { sales, attempts, marketTime }: { sales: readonly { market: string; price: string }[]; attempts: number; marketTime: number },
): DecisionRequest {
  const ordinal = (index: number): number => firstFlattenOrdinal + ((attempts + index) % flattenOrdinals);
  return {
    strategyUid: uid,
    run,
    marketSet,
    decisionTime: marketTime,
    state,
    intents: sales.map(({ market, price }, index) => ({
      ordinal: ordinal(index),
      market,
      side: "sell",
      size: { all: true },
      signalPrice: price,
      validUntil: Number.MAX_SAFE_INTEGER,
    })),
    cancels: [],
    replaces: [],
  };
}
