import type { Client } from "pg";
import { journalSchemas } from "../source-postgres/catalogue.ts";

/**
 * References between tables, checked at the end of a transaction while changes are replayed: one statement of a service may write several tables, and the log
 * has their rows in any order.
 */
export class DeferredReferences {
  readonly #client: Client;
  readonly #deferred = new Set<string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Those that are not yet; again after each migration. */
  async defer(): Promise<void> {
    const { rows } = await this.#client.query<{ alter: string }>(
      `select format('alter table %s alter constraint %I', k.conrelid::regclass, k.conname) as alter
       from pg_constraint k join pg_namespace n on n.oid = k.connamespace where k.contype = 'f' and not k.condeferrable and n.nspname = any($1)`,
      [[...journalSchemas]],
    );
    for (const { alter } of rows) {
      await this.#client.query(`${alter} deferrable initially deferred`);
      this.#deferred.add(alter);
    }
  }

  async undo(): Promise<void> {
    for (const alter of this.#deferred) await this.#client.query(`${alter} not deferrable`);
    this.#deferred.clear();
  }
}
