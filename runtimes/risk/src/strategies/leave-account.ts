import { type JournalDatabase, type Transaction, takeWriterEpoch } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import type { RegistrationReply } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import { loadWholeBook } from "../account/load-book.ts";
import type { RiskErrorCode } from "../errors.ts";
import {
  type AccountOwner,
  readAccountOwner,
  readStrategy,
  releaseStrategy,
  settleStrategy,
} from "../journal/strategy-records.ts";
import { unassigned } from "../portfolio/book.ts";
import { type Leaving, planLeaving } from "./plan-leaving.ts";
import { replyOf } from "./register.ts";
import type { StrategyRegistry } from "./registry.ts";
import type { Strategy } from "./strategy.ts";

export interface LeaveContext {
  readonly policyUid: string;
  readonly accounts: readonly Account[];
  readonly registry: StrategyRegistry;
  readonly database: JournalDatabase;
  /** A transaction under this policy's writer epoch. */
  readonly write: <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;
}

/**
 * A strategy that is registered for `account` gives its capital back to the account it had before, of this policy or of another one (such as one of the
 * same name that was deleted), so that it can be admitted here. Repeating it changes nothing.
 *
 * @throws CodedError ACCOUNT_CHANGED: it is not flat there; JOURNAL_UNAVAILABLE, EPOCH_LOST
 */
export async function leaveFormerAccount(uid: string, account: Account, context: LeaveContext): Promise<void> {
  const { registry, database, accounts } = context;
  const strategy = registry.get(uid) ?? (await readStrategy(database, uid));
  if (!strategy?.admitted || strategy.settled || strategy.deletion || strategy.accountUid === account.accountUid) return;
  const former = accounts.find(({ accountUid }) => accountUid === strategy.accountUid);
  if (!former) return leaveElsewhere(strategy, context);
  await former.exclusive(async (book) => {
    const leaving = mayLeave(strategy, former.name, planLeaving(book, uid, false));
    await former.write((transaction) => releaseStrategy(transaction, strategy, leaving.balances));
    for (const { asset, amount } of leaving.balances) book.applyTransfer({ from: uid, to: unassigned, asset, amount });
    registry.put({ ...strategy, admitted: false });
  });
}

async function leaveElsewhere(strategy: Strategy, { policyUid, write }: LeaveContext): Promise<void> {
  await write(async (transaction) => {
    const owner = await readAccountOwner(transaction, strategy.accountUid);
    const current = await readStrategy(transaction, strategy.uid, true);
    if (!current?.admitted || current.accountUid !== strategy.accountUid) return;
    await shutOut(transaction, owner, policyUid);
    const book = await loadWholeBook(transaction, strategy.accountUid, owner.name);
    const leaving = mayLeave(strategy, owner.name, planLeaving(book, strategy.uid, false));
    await releaseStrategy(transaction, strategy, leaving.balances);
  });
}

/**
 * Deletes a strategy whose account no broker of this policy serves: nothing can be sold or cancelled there by this process. Its policy may live all the same (the
 * strategy has named another one meanwhile): then that one reads the deletion at its next start, which this asks for, and cancels what is open.
 *
 * @returns undefined when the journal knows no such strategy
 */
export async function deleteElsewhere(
  uid: string,
  onDelete: "Keep" | "Flatten",
  { policyUid, registry, write }: LeaveContext,
): Promise<RegistrationReply | undefined> {
  const reply = await write(async (transaction) => {
    const seen = await readStrategy(transaction, uid);
    if (!seen) return undefined;
    // The account's row before the strategy's, as every decision takes them.
    const owner = await readAccountOwner(transaction, seen.accountUid);
    const strategy = (await readStrategy(transaction, uid, true)) ?? seen;
    if (strategy.settled) return { uid, run: strategy.run, admitted: strategy.admitted, workingOrders: 0, settled: true };
    // Once: it is asked again until it is done.
    if (strategy.deletion === undefined) await shutOut(transaction, owner, policyUid);
    const book = await loadWholeBook(transaction, strategy.accountUid, owner.name);
    const leaving = planLeaving(book, uid, true);
    await settleStrategy(transaction, strategy, { onDelete, balances: leaving.leaves ? leaving.balances : undefined });
    return replyOf({ ...strategy, settled: leaving.leaves }, book, undefined);
  });
  const known = registry.get(uid);
  if (known && reply?.settled) registry.put({ ...known, settled: true });
  return reply;
}

/** Whoever writes for another policy's account writes nothing any more: its risk, should it live, starts anew and reads what is written here. */
async function shutOut(transaction: Transaction, owner: AccountOwner, policyUid: string): Promise<void> {
  if (owner.policyUid === policyUid) return;
  await takeWriterEpoch(transaction, { schema: "risk", scope: owner.policyUid }, { holder: `fenced by ${policyUid}`, floor: 0 });
}

function mayLeave(strategy: Strategy, account: string, leaving: Leaving): Leaving & { leaves: true } {
  if (leaving.leaves) return leaving;
  const message = `strategy ${strategy.name} has capital in account ${account}, and ${leaving.because}: changing the account needs a flat position. Let it go back and sell, or delete it`;
  throw new CodedError<RiskErrorCode>("ACCOUNT_CHANGED", message, { context: { accountUid: strategy.accountUid } });
}
