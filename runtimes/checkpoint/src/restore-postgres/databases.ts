import { createHash } from "node:crypto";
import type { Client } from "pg";
import { databaseError } from "../source-postgres/errors.ts";
import type { JournalPosition } from "../source-postgres/position.ts";
import { connect, dsnOf, quoted, withSession } from "../source-postgres/session.ts";

/** Leaves room for the longest suffix below Postgres' 63 bytes. */
const longestDatabase = 30;
const idPattern = /^[a-z0-9]{1,20}$/;

/** The databases of one restore. All three stand beside one another: nothing of the old state is lost until a person says so. */
export interface DatabaseNames {
  /** The one that services use. */
  readonly live: string;
  /** The one that is being filled. */
  readonly fresh: string;
  /** Where the old one goes. */
  readonly aside: string;
}

/**
 * @param id of the request: the same again takes up the same databases. What cannot stand in a name is hashed
 * @throws CodedError RESTORE_CONFLICT for a database whose name leaves no room
 */
export function databaseNames(live: string, request: string): DatabaseNames {
  const id = idPattern.test(request) ? request : createHash("sha256").update(request).digest("hex").slice(0, 16);
  if (live.length > 0 && live.length <= longestDatabase)
    return { live, fresh: `${live}_restore_${id}`, aside: `${live}_before_${id}` };
  const message = `a restore needs a database with a name of at most ${longestDatabase} characters, not "${live}"`;
  throw databaseError("RESTORE_CONFLICT", message, { context: { live } });
}

/** The name of a scratch database, which nobody ever swaps in. */
export function trialName(live: string, request: string): string {
  return databaseNames(live, request).fresh.replace(`${live}_restore_`, `${live}_trial_`);
}

/** Statements about databases, from a connection to another one. */
export class Server {
  readonly #dsn: string;

  /** @param dsn of a role that may create and rename databases and act for the services' roles: a URL */
  constructor(dsn: string) {
    this.#dsn = dsn;
  }

  dsnOf(database: string): string {
    return dsnOf(this.#dsn, database);
  }

  connect(database: string): Promise<Client> {
    return connect(this.dsnOf(database), "bellwether-restore");
  }

  session<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
    return withSession(this.dsnOf(database), "bellwether-restore", work);
  }

  /** For what cannot be said from within the database concerned. `template1` is there on every server; `postgres` may have been dropped. */
  admin<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return this.session("template1", work);
  }

  /**
   * Only one restore of a database at a time, wherever it runs: the lock goes with its connection.
   *
   * @throws CodedError RESTORE_CONFLICT at once when another is under way
   */
  exclusively<T>(live: string, work: () => Promise<T>): Promise<T> {
    return this.admin(async (client) => {
      const { rows } = await client.query<{ alone: boolean }>("select pg_try_advisory_lock(hashtextextended($1, 0)) as alone", [
        `bellwether-restore ${live}`,
      ]);
      if (rows[0]?.alone === true) return work();
      throw databaseError("RESTORE_CONFLICT", `another restore of ${live} is under way`, { context: { live } });
    });
  }

  async exists(database: string): Promise<boolean> {
    const rows = await this.admin(
      async (client) => (await client.query("select from pg_database where datname = $1", [database])).rows,
    );
    return rows.length > 0;
  }

  /** With the encoding and order of the one that was captured, empty of whatever `template1` holds. */
  async create(
    database: string,
    { encoding, collate, ctype }: Pick<JournalPosition, "encoding" | "collate" | "ctype">,
  ): Promise<void> {
    const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
    await this.admin((client) =>
      client.query(
        `create database ${quoted(database)} template template0 encoding ${literal(encoding)} lc_collate ${literal(collate)} lc_ctype ${literal(ctype)}`,
      ),
    );
  }

  /** Ends whoever is connected; nothing happens when there is no such database. */
  async drop(database: string): Promise<void> {
    await this.admin((client) => client.query(`drop database if exists ${quoted(database)} with (force)`));
  }

  async allowConnections(database: string, allowed: boolean): Promise<void> {
    await this.admin((client) => client.query(`alter database ${quoted(database)} with allow_connections ${allowed}`));
  }

  /** Nobody is connected afterwards, and nobody can be until connections are allowed again. */
  async shut(database: string): Promise<void> {
    await this.allowConnections(database, false);
    await this.admin((client) =>
      client.query(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()",
        [database],
      ),
    );
  }
}
