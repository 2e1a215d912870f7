import { createHash } from "node:crypto";
import type { Client } from "pg";
import { journalSchemas } from "../source-postgres/catalogue.ts";
import { shippingTable } from "../source-postgres/shipped-state.ts";
import { parseLsn } from "./decode-changes.ts";

/** Which tables the server decodes changes of. */
export const publication = "bellwether_journal";
/** Answers of models can be asked for again. */
const unshipped = new Set(["gateway.answers"]);

export interface SeriesState {
  /** The slot's name as well. */
  readonly series: string;
  /** Of the last segment; 0: none yet. */
  readonly sequence: number;
  /** Of that segment; empty: none yet. */
  readonly sha256: string;
  /** All before this is in the series. */
  readonly toLsn: bigint;
}

export function isShipped(table: string): boolean {
  return !unshipped.has(table);
}

/** Schemas and not tables: what a migration adds is shipped from its first row on. */
export async function ensurePublication(client: Client): Promise<void> {
  const schemas = (
    await client.query<{ name: string }>("select nspname::text as name from pg_namespace where nspname = any($1)", [
      [...journalSchemas],
    ])
  ).rows.map(({ name }) => name);
  const { rows } = await client.query<{ name: string | null }>(
    `select n.nspname::text as name from pg_publication p left join pg_publication_namespace s on s.pnpubid = p.oid
     left join pg_namespace n on n.oid = s.pnnspid where p.pubname = $1`,
    [publication],
  );
  if (rows.length === 0) {
    const tables = schemas.length > 0 ? ` for tables in schema ${schemas.join(", ")}` : "";
    await client.query(`create publication ${publication}${tables}`);
    return;
  }
  const published = new Set(rows.map(({ name }) => name));
  const added = schemas.filter((schema) => !published.has(schema));
  if (added.length > 0) await client.query(`alter publication ${publication} add tables in schema ${added.join(", ")}`);
}

/**
 * The target's series, as it was left or begun anew: when the target is new, or the server has given up the slot because it held back too much of the log.
 * Whatever was not shipped by then is missing from every series: only a snapshot taken from now on can be brought up to date.
 */
export async function ensureSlot(client: Client, target: string): Promise<SeriesState> {
  await client.query("create schema if not exists bellwether_checkpoint");
  await client.query(
    `create table if not exists ${shippingTable} (target text primary key, series text not null, sequence bigint not null, sha256 text not null,
       to_lsn pg_lsn not null, shipped_at timestamptz)`,
  );
  const { rows } = await client.query<{ series: string; sequence: number; sha256: string; toLsn: string }>(
    `select s.series, s.sequence::int as sequence, s.sha256, s.to_lsn::text as "toLsn"
     from ${shippingTable} s join pg_replication_slots r on r.slot_name = s.series
     where s.target = $1 and r.database = current_database() and r.wal_status <> 'lost'`,
    [target],
  );
  const [known] = rows;
  await dropStrays(client, slotPrefix(target), known?.series);
  return known ? { ...known, toLsn: parseLsn(known.toLsn) } : beginSeries(client, target);
}

/** A slot holds back the server's log for ever: none may be left behind by a crash between its creation and its record. */
async function dropStrays(client: Client, prefix: string, kept: string | undefined): Promise<void> {
  await client.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots
     where database = current_database() and starts_with(slot_name, $1) and slot_name is distinct from $2 and not active`,
    [prefix, kept ?? null],
  );
}

async function beginSeries(client: Client, target: string): Promise<SeriesState> {
  const { rows } = await client.query<{ series: string; lsn: string }>(
    `select slot_name::text as series, lsn::text as lsn
     from pg_create_logical_replication_slot($1 || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16), 'pgoutput')`,
    [slotPrefix(target)],
  );
  const series = rows[0]?.series ?? "";
  const lsn = rows[0]?.lsn ?? "0/0";
  await client.query(
    `insert into ${shippingTable} (target, series, sequence, sha256, to_lsn) values ($1, $2, 0, '', $3::pg_lsn)
     on conflict (target) do update set series = excluded.series, sequence = 0, sha256 = '', to_lsn = excluded.to_lsn, shipped_at = null`,
    [target, series, lsn],
  );
  return { series, sequence: 0, sha256: "", toLsn: parseLsn(lsn) };
}

/** Every slot of ours begins so; names of slots are lower-case letters, digits and `_`. */
export const slotNames = "bellwether_ship_";

function slotPrefix(target: string): string {
  return `${slotNames}${createHash("sha256").update(target).digest("hex").slice(0, 8)}_`;
}
