import { CodedError, messageOf } from "@bellwether/service-kit";
import { Client, type ClientBase, DatabaseError } from "pg";
import { databaseError } from "./errors.ts";

/**
 * What a value looks like as text must not depend on the server's configuration: captured bytes are compared with those of a restored database, maybe on
 * another server. An empty search path makes definitions name their schemas.
 */
const settings = {
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "3",
  bytea_output: "hex",
  search_path: "pg_catalog",
  // A snapshot of a large state takes as long as it takes; what must not happen is waiting for a lock that others then wait behind.
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  lock_timeout: "10s",
} as const;

const connectTimeoutMs = 10_000;
/** Connections that ended without being asked to. */
const broken = new WeakSet<ClientBase>();
/** SQLSTATE classes of a server that is not there, not any more, not yet, or out of room (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const awayClasses = new Set(["08", "53", "57", "58"]);

/** What Postgres said, by a code of ours; anything that did not come from Postgres is as it was. */
export function codedFault(error: unknown, client: ClientBase): unknown {
  if (error instanceof CodedError) return error;
  const state = error instanceof DatabaseError ? (error.code ?? "XX000") : undefined;
  if (state === undefined ? broken.has(client) : awayClasses.has(state.slice(0, 2)))
    return databaseError("POSTGRES_UNREACHABLE", `Postgres has broken off: ${messageOf(error)}`, { cause: error });
  if (state === undefined) return error;
  return databaseError("POSTGRES_REFUSED", `Postgres refuses: ${messageOf(error)} (${state})`, {
    context: { state },
    cause: error,
  });
}

/** @throws CodedError POSTGRES_UNREACHABLE */
export async function connect(dsn: string, applicationName: string): Promise<Client> {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const client = new Client({
    connectionString: dsn,
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    options: options.join(" "),
  });
  // A connection that breaks while nobody asks anything would otherwise end the process; the next question says it as well.
  client.on("error", () => void broken.add(client));
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw databaseError("POSTGRES_UNREACHABLE", `Postgres does not answer: ${messageOf(error)}`, { cause: error });
  }
}

/** A session for one piece of work, closed whatever becomes of it. @throws CodedError POSTGRES_UNREACHABLE, or what `work` threw */
export async function withSession<T>(dsn: string, applicationName: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(dsn, applicationName);
  try {
    return await work(client);
  } catch (error) {
    throw codedFault(error, client);
  } finally {
    await client.end();
  }
}

/** One transaction: commits what `work` did, or nothing of it. */
export async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    // The first fault is the one to tell: where the connection is gone, the server has rolled back by itself.
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** The same server and user, another database. `dsn` is a URL. */
export function dsnOf(dsn: string, database: string): string {
  const url = new URL(dsn);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/** The database that a DSN names. */
export function databaseOf(dsn: string): string {
  return decodeURIComponent(new URL(dsn).pathname.slice(1));
}

/** A name as it may stand in a statement. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
