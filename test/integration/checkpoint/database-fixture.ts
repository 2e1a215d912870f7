import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database, type MigrationPlan, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { brokerSchema } from "../../../runtimes/broker/src/journal/migrations/index.ts";
import type { RestoreOptions } from "../../../runtimes/checkpoint/src/restore-postgres/restore.ts";
import type { OpenedSnapshot, Position, SourceName } from "../../../runtimes/checkpoint/src/source.ts";
import { postgresSources } from "../../../runtimes/checkpoint/src/source-postgres/capture.ts";
import { readCatalogue, tableName } from "../../../runtimes/checkpoint/src/source-postgres/catalogue.ts";
import { withSession } from "../../../runtimes/checkpoint/src/source-postgres/session.ts";
import { measure, tableSql } from "../../../runtimes/checkpoint/src/source-postgres/table-copy.ts";
import { Client } from "pg";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { makeTemplate } from "../../simulation/world/world.ts";
import { type TestPostgres, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { replayHistory } from "../simulation/replay.ts";
import { type HeldSnapshot, heldSnapshot, store } from "./database-snapshot.ts";

/** A server whose log can be decoded, as the chart starts it. */
export async function startJournalServer(): Promise<TestPostgres> {
  const postgres = await startPostgres();
  await rowsOf(postgres.superuserDsn, "alter system set wal_level = logical");
  postgres.stop();
  postgres.start();
  return postgres;
}

/** The schemas as the services make them. */
export async function migrateAll(postgres: TestPostgres): Promise<void> {
  await migrateOne(postgres.riskDsn, riskSchema);
  await migrateOne(postgres.brokerDsn, brokerSchema);
  await migrateOne(postgres.gatewayDsn, gatewaySchema);
}

export async function migrateOne(dsn: string, plan: MigrationPlan): Promise<readonly string[]> {
  const database = new Database({ dsn, clock: systemClock, log: silentLogger, applicationName: "checkpoint test" });
  try {
    return await migrate(database, plan);
  } finally {
    await database.close();
  }
}

/** A journal as risk and broker write it: every statement of a generated history, and a gateway's budget and answer. */
export async function fillJournal(postgres: TestPostgres, seed: number): Promise<void> {
  await replayHistory(postgres, seed, await makeTemplate());
  await migrateOne(postgres.gatewayDsn, gatewaySchema);
  await rowsOf(postgres.gatewayDsn, "insert into gateway.ledgers (route_uid, period, ledger) values ('route-1', '2026-11', $1)", [
    JSON.stringify({ settledUsd: "1.25" }),
  ]);
  await rowsOf(
    postgres.gatewayDsn,
    "insert into gateway.answers (route_uid, key, entry, expires_at) values ('route-1', 'k', $1, now() + interval '1 day')",
    [JSON.stringify({ text: "line one\nline\ttwo \\ three" })],
  );
}

/** The same things that a trade writes, by hand: a decision's order with its reservation, the broker's row and its fill, in three transactions. */
export class Trader {
  readonly #postgres: TestPostgres;
  readonly #strategy: string;
  readonly #account: string;

  private constructor(postgres: TestPostgres, { strategy, account }: { strategy: string; account: string }) {
    this.#postgres = postgres;
    this.#strategy = strategy;
    this.#account = account;
  }

  static async of(postgres: TestPostgres): Promise<Trader> {
    const [row] = await rowsOf(
      postgres.superuserDsn,
      "select uid as strategy, account_uid as account from risk.strategies order by uid limit 1",
    );
    return new Trader(postgres, { strategy: String(row?.["strategy"]), account: String(row?.["account"]) });
  }

  /** @returns the order's client order id */
  async approve(): Promise<string> {
    const id = randomUUID().replaceAll("-", "");
    const intent = `${this.#strategy}/trader/${id}`;
    await rowsOf(
      this.#postgres.superuserDsn,
      `with intent as (
         insert into risk.intents (intent_id, strategy_uid, run, decision_time_ms, ordinal, kind, body, allowed, verdict, judged_with)
         values ($1, $2, 99, ('x' || $3)::bit(44)::bigint, 0, 'intent', '{}', true, '{}', '{}'))
       insert into risk.orders (client_order_id, intent_id, attempt, account_uid, strategy_uid, market, side, order_type, quantity, reference_price,
         reduce_only, body, expected_quote, reserved_quote, reserved_base, epoch)
       values ($4, $1, 1, $5, $2, 'BTC/USDT', 'buy', 'market', 0.001, 100, false, $6, 0.1, 0.1, 0, 1)`,
      [intent, this.#strategy, id.slice(0, 11), id, this.#account, `clientOrderId=${id}\n${"x".repeat(3_000)}`],
    );
    return id;
  }

  async send(id: string): Promise<void> {
    await rowsOf(
      this.#postgres.superuserDsn,
      `insert into broker.orders (client_order_id, account_uid, intent_id, attempt, body, state, risk_epoch, writer_epoch, about_to_send_at_ms)
       select client_order_id, account_uid, intent_id, 1, body, 'AboutToSend', 1, 1, 1 from risk.orders where client_order_id = $1`,
      [id],
    );
  }

  async fill(id: string): Promise<void> {
    await rowsOf(
      this.#postgres.superuserDsn,
      `with fill as (
         insert into broker.fills (account_uid, trade_id, client_order_id, market, side, quantity, price, fee, fee_asset, time_ms, leg)
         select account_uid, 'trade-' || client_order_id, client_order_id, 'BTC/USDT', 'buy', 0.001, 100, 0.0001, 'USDT', 1, 'entry'
         from broker.orders where client_order_id = $1),
       release as (update risk.orders set released_at = now(), state = 'Filled' where client_order_id = $1)
       update broker.orders set state = 'Filled', filled_quantity = 0.001, revision = nextval('broker.order_revisions') where client_order_id = $1`,
      [id],
    );
  }

  async trade(): Promise<string> {
    const id = await this.approve();
    await this.send(id);
    await this.fill(id);
    return id;
  }
}

/** One connection that writes rows of its own, some of them again and again, in transactions that it leaves open as it is told. */
export class WritingSession {
  readonly #client: Client;
  readonly #scope: string;
  #inTransaction = false;

  private constructor(client: Client, scope: string) {
    this.#client = client;
    this.#scope = scope;
  }

  static async open(postgres: TestPostgres, scope: string): Promise<WritingSession> {
    const client = new Client({ connectionString: postgres.superuserDsn });
    await client.connect();
    return new WritingSession(client, scope);
  }

  /** @param kind 0 and 1 end a transaction, others write in one */
  async act(kind: number): Promise<void> {
    if (kind <= 1) {
      await this.#client.query(kind === 0 ? "commit" : "rollback");
      this.#inTransaction = false;
      return;
    }
    if (!this.#inTransaction) await this.#client.query("begin");
    this.#inTransaction = true;
    const scope = [this.#scope];
    if (kind <= 3) {
      // A number of a sequence, drawn now and seen whenever the transaction ends.
      await this.#client.query(
        "insert into risk.halts (policy_uid, reason, set_by, cleared_at) values ($1, 'random', 'test', now())",
        scope,
      );
    } else if (kind <= 5) {
      await this.#client.query(
        "insert into risk.peaks (scope, peak_equity) values ($1, 1) on conflict (scope) do update set peak_equity = risk.peaks.peak_equity + 1",
        scope,
      );
    } else await this.#client.query("delete from risk.peaks where scope = $1", scope);
  }

  async close(): Promise<void> {
    if (this.#inTransaction) await this.#client.query("commit");
    await this.#client.end();
  }
}

export async function capture(dsn: string): Promise<HeldSnapshot> {
  const contents = new Map<SourceName, { position: Position; files: Map<string, Buffer> }>();
  const opened = [];
  for (const source of postgresSources({ dsn: () => dsn })) {
    const captured = await source.open(new AbortController().signal);
    if ("because" in captured) throw new Error(captured.because);
    opened.push({ name: source.name, captured });
  }
  for (const { name, captured } of opened) {
    const files = new Map<string, Buffer>();
    for await (const { path, content } of captured.files()) files.set(path, await whole(content));
    contents.set(name, { position: captured.position, files });
  }
  for (const { captured } of opened) await captured.close();
  return heldSnapshot(contents);
}

async function whole(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of content) all.push(piece);
  return Buffer.concat(all);
}

/** Rows and digest of every table; what a restore itself changes is left out. */
export async function digests(dsn: string): Promise<Record<string, string>> {
  const changed = new Set(["risk.journal", "risk.writer_epochs", "broker.writer_epochs", "broker.highest_risk_epoch"]);
  return withSession(dsn, "checkpoint test", async (client) => {
    const found: Record<string, string> = {};
    for (const table of (await readCatalogue(client)).tables) {
      if (changed.has(tableName(table))) continue;
      const { rows, sha256 } = await measure(client, tableSql(table));
      found[tableName(table)] = `${rows} rows ${sha256.slice(0, 16)}`;
    }
    return found;
  });
}

/** A target of shipping, and what a restore reads from. */
export class SegmentStore {
  readonly name: string;
  readonly segments = new Map<string, Buffer>();
  away = false;

  constructor(name: string) {
    this.name = name;
  }

  async put(key: string, bytes: Buffer): Promise<void> {
    if (this.away) throw new Error("the target does not answer");
    this.segments.set(key, Buffer.from(bytes));
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.segments.get(key);
  }

  async *list(prefix: string): AsyncIterable<{ key: string }> {
    for (const key of this.segments.keys()) if (key.startsWith(prefix)) yield { key };
  }
}

export function restoring(postgres: TestPostgres, snapshot: OpenedSnapshot, more: Partial<RestoreOptions> = {}): RestoreOptions {
  return { dsn: postgres.superuserDsn, id: "r1", snapshot, clock: systemClock, log: silentLogger, ...more };
}

export async function databases(postgres: TestPostgres): Promise<string[]> {
  const rows = await rowsOf(
    postgres.superuserDsn.replace(/\/bellwether$/, "/postgres"),
    "select datname from pg_database where datname like 'bellwether%' order by 1",
  );
  return rows.map(({ datname }) => String(datname));
}

/** Restores in processes of their own, each killed before a step if one is given. */
export function restoreProcess(
  postgres: TestPostgres,
  { snapshot, segments }: { snapshot: HeldSnapshot; segments: ReadonlyMap<string, Buffer> },
) {
  const directory = mkdtempSync(join(tmpdir(), "bellwether-restore-"));
  writeFileSync(join(directory, "snapshot.json"), JSON.stringify(store(snapshot)));
  mkdirSync(join(directory, "segments"));
  for (const [key, bytes] of segments) writeFileSync(join(directory, "segments", key.replaceAll("/", "+")), bytes);
  const script = new URL("database-restore-process.ts", import.meta.url).pathname;
  return {
    async run(deadly?: string): Promise<{ signal: string } | { steps: string[] }> {
      const args = [script, postgres.superuserDsn, directory, ...(deadly === undefined ? [] : [deadly])];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (text: Buffer) => (output += text.toString()));
      const signal = await new Promise<string | null>((resolve) => child.once("close", (_, by) => resolve(by)));
      return signal === null ? { steps: JSON.parse(output) as string[] } : { signal };
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}
