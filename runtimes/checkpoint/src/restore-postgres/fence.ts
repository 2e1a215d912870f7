import type { Client } from "pg";
import { readCatalogue, tableName } from "../source-postgres/catalogue.ts";
import { inTransaction } from "../source-postgres/session.ts";

/**
 * A writer takes one epoch at each start. Between the last row that was shipped and the loss, writers may have started that nothing here knows of; none can
 * have started so often.
 */
export const epochLeap = 1_000_000n;

/** Epochs by schema and scope, as far as somebody remembers them. */
export type Epochs = ReadonlyMap<string, bigint>;

const epochTables = [
  { schema: "risk", sql: "select scope, epoch::text as epoch from risk.writer_epochs" },
  { schema: "risk", sql: "select policy_uid as scope, max(epoch)::text as epoch from risk.public_keys group by policy_uid" },
  { schema: "broker", sql: "select scope, epoch::text as epoch from broker.writer_epochs" },
] as const;

/** What a database remembers of epochs. Tables that it lacks remember nothing. */
export async function readEpochs(client: Client): Promise<Epochs> {
  const epochs = new Map<string, bigint>();
  const present = new Set((await readCatalogue(client)).tables.map(tableName));
  for (const { schema, sql } of epochTables) {
    const [, table] = /from (\S+)/.exec(sql) ?? [];
    if (table === undefined || !present.has(table)) continue;
    const { rows } = await client.query<{ scope: string; epoch: string }>(sql);
    for (const { scope, epoch } of rows) {
      const key = `${schema}:${scope}`;
      const known = epochs.get(key) ?? 0n;
      if (BigInt(epoch) > known) epochs.set(key, BigInt(epoch));
    }
  }
  return epochs;
}

/** What a finished restore says of itself, in the restored database. */
export interface RestoreMark {
  readonly id: string;
  readonly snapshot: string;
  /** Of the last segment that was replayed; empty: none. */
  readonly replayedTo: string;
}

/**
 * Makes a restored journal one that no writer of before can write to, and whose approvals no broker takes:
 *
 * - every writer epoch rises above any ever issued, `remembered` (by the old database, where it still answers) included;
 * - brokers have seen the new epochs of their policies: whatever an older risk has signed or still signs is refused. What was approved and not sent stays
 *   unsent for ever: the next risk finds no row of the broker's for it and asks for a void, as after any crash (runtimes/risk/src/orders/plan-settlement.ts);
 * - the journal gets an identity of its own, so that everybody notices.
 *
 * All or nothing, with the mark by which the next run knows that it is done.
 */
export async function fence(client: Client, remembered: Epochs, mark: RestoreMark): Promise<void> {
  const present = new Set((await readCatalogue(client)).tables.map(tableName));
  const own = await readEpochs(client);
  await inTransaction(client, async () => {
    for (const scope of new Set([...own.keys(), ...remembered.keys()])) {
      if (!present.has(`${schemaOf(scope)}.writer_epochs`)) continue;
      const highest = [own.get(scope) ?? 0n, remembered.get(scope) ?? 0n].reduce((one, other) => (one > other ? one : other));
      await raise(client, scope, highest + epochLeap);
    }
    if (present.has("broker.highest_risk_epoch") && present.has("risk.accounts")) await tellBrokers(client);
    if (present.has("risk.journal"))
      await client.query("update risk.journal set database_id = gen_random_uuid(), created_at = now()");
    await client.query("create schema if not exists bellwether_checkpoint");
    await client.query(
      "create table if not exists bellwether_checkpoint.restores (id text primary key, snapshot text not null, replayed_to text not null, at timestamptz not null default now())",
    );
    await client.query("insert into bellwether_checkpoint.restores (id, snapshot, replayed_to) values ($1, $2, $3)", [
      mark.id,
      mark.snapshot,
      mark.replayedTo,
    ]);
  });
}

function schemaOf(schemaAndScope: string): string {
  return schemaAndScope.slice(0, schemaAndScope.indexOf(":"));
}

async function raise(client: Client, schemaAndScope: string, epoch: bigint): Promise<void> {
  const schema = schemaOf(schemaAndScope);
  const scope = schemaAndScope.slice(schema.length + 1);
  await client.query(
    `insert into ${schema}.writer_epochs (scope, epoch, holder) values ($1, $2::bigint, 'restored: nobody')
     on conflict (scope) do update set epoch = excluded.epoch, holder = excluded.holder, taken_at = now()`,
    [scope, epoch.toString()],
  );
}

async function tellBrokers(client: Client): Promise<void> {
  await client.query(
    `insert into broker.highest_risk_epoch (account_uid, epoch)
     select a.account_uid, w.epoch from risk.accounts a join risk.writer_epochs w on w.scope = a.policy_uid
     on conflict (account_uid) do update set epoch = greatest(broker.highest_risk_epoch.epoch, excluded.epoch), seen_at = now()`,
  );
}

/** @returns undefined when the database has not been through {@link fence} for this request */
export async function readMark(client: Client, id: string): Promise<RestoreMark | undefined> {
  const { rows: tables } = await client.query<{ present: boolean }>(
    "select to_regclass('bellwether_checkpoint.restores') is not null as present",
  );
  if (tables[0]?.present !== true) return undefined;
  const { rows } = await client.query<RestoreMark>(
    `select id, snapshot, replayed_to as "replayedTo" from bellwether_checkpoint.restores where id = $1`,
    [id],
  );
  return rows[0];
}
