import type { Transaction } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import { type StrategyRegistration, formatDecimal } from "@bellwether/trading";
import type { RiskErrorCode } from "../errors.ts";
import { unassigned } from "../portfolio/book.ts";
import type { Handover } from "../strategies/plan-deletion.ts";
import { type Strategy, marketSetOf } from "../strategies/strategy.ts";

interface StrategyRow {
  uid: string;
  account_uid: string;
  namespace: string;
  name: string;
  subject: string;
  mode: "Paper" | "Live";
  markets: { symbol: string; timeframe: string }[];
  market_set: string;
  share_ratio: string;
  suspended: boolean;
  run: number;
  state: string;
  last_decision_ms: string | null;
  decisions: string;
  decision_fault: string | null;
  admitted: boolean;
  deletion: "Keep" | "Flatten" | null;
  settled: boolean;
}

const strategyColumns = `uid, account_uid, namespace, name, subject, mode, markets, market_set, share_ratio, suspended, run, state, last_decision_ms, decisions, decision_fault,
  admitted_at is not null as admitted, deletion, settled_at is not null as settled`;

/** Strategies of a policy that are not settled. */
export async function readStrategies(reader: Transaction, policyUid: string): Promise<Strategy[]> {
  const rows = await reader.query<StrategyRow>(
    `select ${strategyColumns} from risk.strategies where policy_uid = $1 and settled_at is null order by registered_at, uid`,
    [policyUid],
  );
  return rows.map(strategyOf);
}

/** One strategy, settled or not, locked until the transaction ends when `lock` is set. */
export async function readStrategy(reader: Transaction, uid: string, lock = false): Promise<Strategy | undefined> {
  const [row] = await reader.query<StrategyRow>(
    `select ${strategyColumns} from risk.strategies where uid = $1${lock ? " for update" : ""}`,
    [uid],
  );
  return row && strategyOf(row);
}

function strategyOf(row: StrategyRow): Strategy {
  return {
    uid: row.uid,
    accountUid: row.account_uid,
    namespace: row.namespace,
    name: row.name,
    subject: row.subject,
    mode: row.mode,
    markets: row.markets.map(({ symbol, timeframe }) => ({ market: symbol, timeframe })),
    marketSet: row.market_set,
    shareRatio: row.share_ratio,
    suspended: row.suspended,
    run: row.run,
    state: row.state,
    lastDecisionTime: row.last_decision_ms === null ? undefined : Number(row.last_decision_ms),
    decisions: Number(row.decisions),
    decisionFault: row.decision_fault ?? undefined,
    admitted: row.admitted,
    deletion: row.deletion ?? undefined,
    settled: row.settled,
  };
}

/**
 * Makes a strategy known or takes over what may change of it: subject, markets, suspension, and the share until it has been given. Another market set or
 * account begins a new run, with a cursor of its own (each account has its own market time); what is being deleted stays so.
 */
export async function upsertStrategy(
  transaction: Transaction,
  { policyUid, accountUid }: { policyUid: string; accountUid: string },
  registration: StrategyRegistration,
): Promise<void> {
  const { uid, namespace, name, subject, mode, markets, shareRatio, suspended } = registration;
  const marketSet = marketSetOf(markets.map(({ symbol, timeframe }) => ({ market: symbol, timeframe })));
  await transaction.query(
    `insert into risk.strategies as s (uid, policy_uid, account_uid, namespace, name, subject, mode, markets, market_set, share_ratio, suspended)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (uid) do update set
       policy_uid = excluded.policy_uid, account_uid = excluded.account_uid, namespace = excluded.namespace, name = excluded.name,
       subject = excluded.subject, mode = excluded.mode, markets = excluded.markets, suspended = excluded.suspended,
       share_ratio = case when s.admitted_at is null then excluded.share_ratio else s.share_ratio end,
       run = case when s.market_set = excluded.market_set and s.account_uid = excluded.account_uid then s.run else s.run + 1 end,
       last_decision_ms = case when s.account_uid = excluded.account_uid then s.last_decision_ms else null end, market_set = excluded.market_set`,
    [uid, policyUid, accountUid, namespace, name, subject, mode, JSON.stringify(markets), marketSet, shareRatio, suspended],
  );
}

export interface AccountOwner {
  readonly policyUid: string;
  /** `accounts[].name`. */
  readonly name: string;
}

/** Whose an account is. The row is locked: no decision on the account is judged meanwhile. */
export async function readAccountOwner(transaction: Transaction, accountUid: string): Promise<AccountOwner> {
  const [row] = await transaction.query<{ policy_uid: string; name: string }>(
    "select policy_uid, name from risk.accounts where account_uid = $1 for update",
    [accountUid],
  );
  if (!row)
    throw new CodedError<RiskErrorCode>("INVARIANT_BROKEN", `a strategy belongs to account ${accountUid}, which is not there`);
  return { policyUid: row.policy_uid, name: row.name };
}

/** A strategy gets capital of its account. The first time is its admission. */
export async function storeCapital(
  transaction: Transaction,
  { uid, accountUid }: Strategy,
  { asset, amount }: Pick<Handover, "asset" | "amount">,
): Promise<void> {
  await transaction.query(
    `insert into risk.transfers (account_uid, kind, from_sub_account, to_sub_account, asset, amount)
     select $1, case when exists (select 1 from risk.transfers t where t.to_sub_account = $3 and t.kind = 'Admission') then 'Reallocation' else 'Admission' end, $2, $3, $4, $5`,
    [accountUid, unassigned, uid, asset, formatDecimal(amount)],
  );
  await transaction.query("update risk.strategies set admitted_at = now() where uid = $1", [uid]);
}

/** A strategy gives its capital back and is not admitted any more. */
export async function releaseStrategy(
  transaction: Transaction,
  strategy: Strategy,
  balances: readonly Handover[],
): Promise<void> {
  await storeHandover(transaction, strategy, { kind: "Reallocation", balances });
  await transaction.query("update risk.strategies set admitted_at = null where uid = $1", [strategy.uid]);
}

/**
 * Marks a strategy for deletion, for good.
 *
 * @param balances what it leaves behind; undefined: something of it is open yet
 * @returns false when another process has settled it already, and nothing was written
 */
export async function settleStrategy(
  transaction: Transaction,
  strategy: Strategy,
  { onDelete, balances }: { onDelete: "Keep" | "Flatten"; balances: readonly Handover[] | undefined },
): Promise<boolean> {
  const marked = await transaction.query(
    `update risk.strategies set deletion = coalesce(deletion, $2), settled_at = case when $3 then now() else settled_at end
     where uid = $1 and settled_at is null returning uid`,
    [strategy.uid, onDelete, balances !== undefined],
  );
  if (marked.length === 0) return false;
  if (balances) await storeHandover(transaction, strategy, { kind: "Settlement", balances });
  return true;
}

async function storeHandover(
  transaction: Transaction,
  { uid, accountUid }: Strategy,
  { kind, balances }: { kind: "Reallocation" | "Settlement"; balances: readonly Handover[] },
): Promise<void> {
  for (const { asset, amount, cost } of balances) {
    await transaction.query(
      "insert into risk.transfers (account_uid, kind, from_sub_account, to_sub_account, asset, amount, cost) values ($1, $2, $3, $4, $5, $6, $7)",
      [accountUid, kind, uid, unassigned, asset, formatDecimal(amount), cost === undefined ? null : formatDecimal(cost)],
    );
  }
}
