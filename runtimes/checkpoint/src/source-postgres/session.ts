import { messageOf } from "@bellwether/service-kit";
import { Client } from "pg";
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
  client.on("error", () => undefined);
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
