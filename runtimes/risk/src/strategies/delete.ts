import type { RegistrationReply } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { DecideContext } from "../decisions/decide.ts";
import { readStrategy, settleStrategy } from "../journal/strategy-records.ts";
import type { CommittedOrder } from "../orders/dispatch.ts";
import type { SaleAttempts } from "../orders/sale-attempts.ts";
import { sellOff } from "../orders/sell-off.ts";
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
export async function progressDeletion(
  uid: string,
  context: DeleteContext & DecideContext & { readonly attempts: SaleAttempts },
): Promise<readonly CommittedOrder[]> {
  const { account, registry, log, attempts, clock } = context;
  return account.exclusive(async (book) => {
    const strategy = registry.get(uid);
    if (!strategy?.deletion) return [];
    const step = stepOf(strategy, book, account);
    if (step.step === "wait") return [];
    if (step.step === "sell")
      return attempts.sell(uid, clock.nowMs(), () => sellOff({ strategy, book, sales: step.sales }, context));
    attempts.forget(uid);
    // Of what is settled nothing is open in the journal.
    await account.storeEnds("now");
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
  const settled = await account.write((transaction) =>
    settleStrategy(transaction, strategy, { onDelete: strategy.deletion ?? "Keep", balances }),
  );
  if (settled)
    for (const { asset, amount } of balances) book.applyTransfer({ from: strategy.uid, to: unassigned, asset, amount });
  // The risk of another policy, which the strategy named before it was deleted, has done it.
  else account.foldAgain();
  registry.put({ ...strategy, settled: true });
}
