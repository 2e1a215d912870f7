import type { Transaction } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import {
  type Decimal,
  type RegistrationReply,
  type StrategyRegistration,
  ZERO,
  add,
  parseDecimal,
  rulesFromSymbol,
} from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { RiskErrorCode } from "../errors.ts";
import { readStrategy, storeCapital, upsertStrategy } from "../journal/strategy-records.ts";
import { type AccountBook, type BookTransfer, unassigned } from "../portfolio/book.ts";
import { accountEquity } from "../portfolio/valuation.ts";
import { type Admission, planAdmission } from "./plan-admission.ts";
import type { StrategyRegistry } from "./registry.ts";
import type { Strategy } from "./strategy.ts";

export interface RegisterContext {
  readonly account: Account;
  readonly registry: StrategyRegistry;
  readonly policyUid: string;
  readonly currency: string;
}

/**
 * Makes a strategy known, takes over what changed, and admits it as soon as its share can be given. Repeating it changes nothing. What it had in another account has
 * been given back before (`leaveFormerAccount`).
 *
 * @throws CodedError ACCOUNT_CHANGED, JOURNAL_UNAVAILABLE, EPOCH_LOST
 */
export async function register(registration: StrategyRegistration, context: RegisterContext): Promise<RegistrationReply> {
  const { account, registry } = context;
  return account.exclusive(async (book) => {
    const committed = await account.write(async (transaction) => {
      const before = await readStrategy(transaction, registration.uid, true);
      if (before?.settled) return { strategy: before, message: "The strategy has been deleted.", transfer: undefined };
      if (before?.admitted && before.accountUid !== account.accountUid) throw notLeftYet(before);
      await upsertStrategy(transaction, { policyUid: context.policyUid, accountUid: account.accountUid }, registration);
      const strategy = await required(transaction, registration.uid);
      if (strategy.admitted || strategy.deletion) return { strategy, message: undefined, transfer: undefined };
      return admit(transaction, { strategy, book }, context);
    });
    if (committed.transfer) book.applyTransfer(committed.transfer);
    registry.put(committed.strategy);
    return replyOf(committed.strategy, book, committed.message);
  });
}

async function admit(
  transaction: Transaction,
  { strategy, book }: { strategy: Strategy; book: AccountBook },
  context: RegisterContext,
): Promise<{ strategy: Strategy; message: string | undefined; transfer: BookTransfer | undefined }> {
  const { account, currency } = context;
  const admission = planAdmissionOf(strategy, book, {
    ...context,
    claimedRatio: await claimedRatio(transaction, account.accountUid),
  });
  if (!admission.admitted) return { strategy, message: admission.message, transfer: undefined };
  const transfer = { from: unassigned, to: strategy.uid, asset: currency, amount: admission.capital };
  await storeCapital(transaction, strategy, transfer);
  return { strategy: { ...strategy, admitted: true }, message: undefined, transfer };
}

function planAdmissionOf(
  strategy: Strategy,
  book: AccountBook,
  { account, currency, claimedRatio }: RegisterContext & { claimedRatio: Decimal },
): Admission {
  return planAdmission({
    accountName: account.name,
    currency,
    opened: account.opened,
    accountEquity: accountEquity(book, currency),
    unassignedCash: book.subAccount(unassigned).balances[currency] ?? ZERO,
    claimedRatio,
    shareRatio: parseDecimal(strategy.shareRatio),
    foreignMarkets: strategy.markets.map(({ market }) => market).filter((market) => rulesFromSymbol(market)?.quote !== currency),
  });
}

async function claimedRatio(transaction: Transaction, accountUid: string): Promise<Decimal> {
  const rows = await transaction.query<{ share_ratio: string }>(
    "select share_ratio from risk.strategies where account_uid = $1 and admitted_at is not null and settled_at is null",
    [accountUid],
  );
  return rows.reduce((sum, { share_ratio: ratio }) => add(sum, parseDecimal(ratio)), ZERO);
}

async function required(transaction: Transaction, uid: string): Promise<Strategy> {
  const strategy = await readStrategy(transaction, uid);
  if (!strategy) throw new CodedError<RiskErrorCode>("INVARIANT_BROKEN", `strategy ${uid} vanished within a transaction`);
  return strategy;
}

/** It was admitted elsewhere between leaving and this. */
function notLeftYet({ name, accountUid }: Strategy): CodedError<RiskErrorCode> {
  return new CodedError<RiskErrorCode>("ACCOUNT_CHANGED", `strategy ${name} still has capital in another account`, {
    context: { accountUid },
  });
}

/** What the operator learns of a strategy; it polls until `workingOrders` is 0 and `settled`. */
export function replyOf(strategy: Strategy, book: AccountBook, message: string | undefined): RegistrationReply {
  return {
    uid: strategy.uid,
    run: strategy.run,
    admitted: strategy.admitted,
    ...(message !== undefined && { message: message.slice(0, 500) }),
    workingOrders: book.openOrders(strategy.uid).length,
    settled: strategy.settled,
  };
}
