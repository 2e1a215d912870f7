import type { Transaction } from "@bellwether/postgres";
import { formatDecimal } from "@bellwether/trading";
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
