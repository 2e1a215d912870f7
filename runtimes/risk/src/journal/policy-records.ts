import type { Transaction } from "@bellwether/postgres";
import { type Decimal, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { JournalHalt } from "../policy/trading-state.ts";
import type { Mark } from "../portfolio/book.ts";

/** Makes the key known that approvals of this start are signed with. Committed before the first of them; a second attempt to start finds it there. */
export async function storePublicKey(
  transaction: Transaction,
  key: { keyId: string; policyUid: string; epoch: number; publicKey: string },
): Promise<void> {
  await transaction.query(
    "insert into risk.public_keys (key_id, policy_uid, epoch, public_key) values ($1, $2, $3, $4) on conflict (key_id) do nothing",
    [key.keyId, key.policyUid, key.epoch, key.publicKey],
  );
}

export async function ensureAccount(
  transaction: Transaction,
  account: { accountUid: string; policyUid: string; name: string },
): Promise<void> {
  await transaction.query(
    "insert into risk.accounts (account_uid, policy_uid, name) values ($1, $2, $3) on conflict (account_uid) do nothing",
    [account.accountUid, account.policyUid, account.name],
  );
}

export async function readHalt(reader: Transaction, policyUid: string): Promise<JournalHalt | undefined> {
  const [row] = await reader.query<{ reason: string; set_by: string }>(
    "select reason, set_by from risk.halts where policy_uid = $1 and cleared_at is null",
    [policyUid],
  );
  return row && { reason: row.reason, setBy: row.set_by };
}

/** Halts in the journal; a halt that stands already keeps its reason. */
export async function storeHalt(transaction: Transaction, policyUid: string, halt: JournalHalt): Promise<void> {
  await transaction.query(
    "insert into risk.halts (policy_uid, reason, set_by) values ($1, $2, $3) on conflict (policy_uid) where cleared_at is null do nothing",
    [policyUid, halt.reason, halt.setBy],
  );
}

export async function clearHalt(transaction: Transaction, policyUid: string, clearedBy: string): Promise<void> {
  await transaction.query(
    "update risk.halts set cleared_by = $2, cleared_at = now() where policy_uid = $1 and cleared_at is null",
    [policyUid, clearedBy],
  );
}

export async function storeMark(
  transaction: Transaction,
  accountUid: string,
  { market, price, timeMs }: Mark & { market: string },
): Promise<void> {
  await transaction.query(
    `insert into risk.marks (account_uid, market, price, market_time_ms) values ($1, $2, $3, $4)
     on conflict (account_uid, market) do update set price = excluded.price, market_time_ms = excluded.market_time_ms`,
    [accountUid, market, formatDecimal(price), timeMs],
  );
}

export async function readPeak(reader: Transaction, scope: string): Promise<Decimal | undefined> {
  const [row] = await reader.query<{ peak_equity: string }>("select peak_equity from risk.peaks where scope = $1", [scope]);
  return row && parseDecimal(row.peak_equity);
}

export async function storePeak(transaction: Transaction, scope: string, peak: Decimal): Promise<void> {
  await transaction.query(
    `insert into risk.peaks (scope, peak_equity) values ($1, $2)
     on conflict (scope) do update set peak_equity = excluded.peak_equity, reached_at = now() where risk.peaks.peak_equity < excluded.peak_equity`,
    [scope, formatDecimal(peak)],
  );
}

/** Decisions kept beyond those with actions, for each strategy: more than any retry can look back at. */
const keptDecisions = 1_000;

/** Drops decisions that led to nothing and that nobody will ask about again; the cursor keeps their bars decided. */
export async function pruneDecisions(transaction: Transaction, strategyUid: string): Promise<void> {
  await transaction.query(
    `delete from risk.decisions d where d.strategy_uid = $1
       and d.decision_time_ms < (select decision_time_ms from risk.decisions where strategy_uid = $1 order by decision_time_ms desc offset $2 limit 1)
       and not exists (select 1 from risk.intents i where i.strategy_uid = d.strategy_uid and i.run = d.run and i.decision_time_ms = d.decision_time_ms)`,
    [strategyUid, keptDecisions],
  );
}
