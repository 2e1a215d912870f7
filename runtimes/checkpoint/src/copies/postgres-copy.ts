import type { Database } from "@bellwether/postgres";
import { hasCode, messageOf } from "@bellwether/service-kit/coded-error";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";
import { type Copy, type CopyIdentity, type StoredObject, largestObjectBytes } from "./copy.ts";
import { copyFaultOf } from "./faults.ts";
import { failureDomainOf } from "./redundancy.ts";

export interface PostgresCopyOptions {
  readonly name: string;
  readonly database: Pick<Database, "query" | "close">;
  /** Host of the server, as the connection string has it at the moment. */
  readonly host: () => string;
}

const pageSize = 1_000;

/** Made at the first use; whoever comes second at the same moment finds it made. */
const makeTable = `create schema if not exists bellwether_checkpoint;
create table if not exists bellwether_checkpoint.objects
  (key text collate "C" primary key, bytes bytea not null, written_at timestamptz not null default now());
alter table bellwether_checkpoint.objects alter column bytes set storage external;`;

/** Objects as rows of one table in another Postgres: a statement is all or nothing, and synced when it returns. */
export class PostgresCopy implements Copy {
  readonly name: string;
  readonly #database: Pick<Database, "query" | "close">;
  readonly #host: () => string;
  #made: Promise<void> | undefined;

  constructor({ name, database, host }: PostgresCopyOptions) {
    this.name = name;
    this.#database = database;
    this.#host = host;
  }

  async put(key: string, bytes: Buffer, { ifAbsent }: { readonly ifAbsent: boolean }): Promise<boolean> {
    const onConflict = ifAbsent ? "nothing" : "update set bytes = excluded.bytes, written_at = now()";
    const rows = await this.#query(
      `insert into bellwether_checkpoint.objects (key, bytes) values ($1, $2) on conflict (key) do ${onConflict} returning 1`,
      [key, bytes],
    );
    return rows.length === 1;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const [row] = await this.#query<{ bytes: Buffer | null }>(
      `select case when octet_length(bytes) <= $2 then bytes end as bytes from bellwether_checkpoint.objects where key = $1`,
      [key, largestObjectBytes],
    );
    if (!row) return undefined;
    if (row.bytes) return row.bytes;
    throw checkpointError("OBJECT_TOO_LARGE", `${key} on ${this.name} has more than ${largestObjectBytes} bytes`, {
      context: { copy: this.name, key },
    });
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    let after = "";
    for (;;) {
      const rows = await this.#query<{ key: string; bytes: number; modified: number }>(
        `select key, octet_length(bytes) as bytes, floor(extract(epoch from written_at) * 1000)::float8 as modified
         from bellwether_checkpoint.objects where key > $1 and key >= $2 and starts_with(key, $2) order by key limit ${pageSize}`,
        [after, prefix],
      );
      for (const { key, bytes, modified } of rows) yield { key, bytes, modifiedMs: modified };
      const last = rows.at(-1);
      if (!last || rows.length < pageSize) return;
      after = last.key;
    }
  }

  async delete(key: string): Promise<void> {
    await this.#query("delete from bellwether_checkpoint.objects where key = $1", [key]);
  }

  async identity(): Promise<CopyIdentity> {
    const [row] = await this.#query<{ id: string }>("select system_identifier::text as id from pg_control_system()");
    if (!row) throw checkpointError("COPY_REPLY_INVALID", `${this.name} does not say which server it is`);
    return { kind: "postgres", failureDomain: failureDomainOf(this.#host()), systemIdentifier: row.id };
  }

  /** A statement that did not end has left nothing. */
  async sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  async #query<Row extends Record<string, unknown>>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      // A table that is there needs no right to make one, and a server that can only be read can still be read.
      this.#made ??= this.#make();
      await this.#made;
      return await this.#database.query<Row>(sql, values);
    } catch (error) {
      this.#made = undefined;
      throw this.#named(error);
    }
  }

  async #make(): Promise<void> {
    const found = await this.#database.query("select 1 where to_regclass('bellwether_checkpoint.objects') is not null");
    if (found.length === 0) await this.#database.query(makeTable);
  }

  #named(error: unknown): Error {
    if (copyFaultOf(error)) return error as Error;
    const state = sqlStateOf(error);
    if (!hasCode(error) && state === undefined) return error as Error;
    const context = { copy: this.name, ...(state !== undefined && { sqlState: state }) };
    const message = `the Postgres of ${this.name}: ${messageOf(error)}`;
    return checkpointError(codeOf(state), message, { context, cause: error });
  }
}

function codeOf(state: string | undefined): CheckpointErrorCode {
  if (state === undefined) return "COPY_UNREACHABLE";
  if (state === "25006") return "COPY_READ_ONLY";
  if (state.startsWith("28")) return "COPY_CREDENTIALS_REFUSED";
  if (state === "42501") return "COPY_FORBIDDEN";
  if (state === "53100") return "COPY_FULL";
  return "COPY_UNREACHABLE";
}

/** The SQLSTATE that the server gave, which the foundation keeps as the cause of its own error. */
function sqlStateOf(error: unknown): string | undefined {
  const at = hasCode(error) ? error.cause : error;
  const code = at instanceof Error && "code" in at ? at.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
