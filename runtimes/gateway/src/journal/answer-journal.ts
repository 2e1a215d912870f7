import type { JournalDatabase } from "@bellwether/postgres";
import { type Cancel, type Clock, type Logger, hasCode } from "@bellwether/service-kit";
import type { AnswerRow } from "../store/answer-cache.ts";

const flushEveryMs = 1_000;
const mostUnwritten = 2_000;
const mostAtOnce = 500;
const mostRestored = 5_000;
const pruneEveryFlushes = 60;

/**
 * Answers behind Redis: written in the background, read back when Redis comes up with nothing in it. No request waits for it, and what Postgres does not
 * take while it is away is lost to the cache and to nothing else.
 */
export class AnswerJournal {
  readonly #database: JournalDatabase;
  readonly #routeUid: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #unwritten = new Map<string, AnswerRow>();
  #cancel: Cancel = () => undefined;
  #flushes = 0;
  #closed = false;

  constructor(database: JournalDatabase, parts: { routeUid: string; clock: Clock; log: Logger }) {
    this.#database = database;
    this.#routeUid = parts.routeUid;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  start(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.setTimeout(() => void this.flush().finally(() => this.start()), flushEveryMs);
  }

  /** More than Postgres takes are not worth the while: those that come while the list is full are left to the cache. */
  remember(row: AnswerRow): void {
    if (this.#unwritten.size < mostUnwritten || this.#unwritten.has(row.key)) this.#unwritten.set(row.key, row);
  }

  /** The newest answers that are not over yet. @throws CodedError JOURNAL_UNAVAILABLE */
  async load(): Promise<readonly AnswerRow[]> {
    const rows = await this.#database.query<{ key: string; text: string; expires_ms: string }>(
      `select key, entry #>> '{}' as text, floor(extract(epoch from expires_at) * 1000)::bigint as expires_ms
         from gateway.answers where route_uid = $1 and expires_at > now() order by expires_at desc limit ${mostRestored}`,
      [this.#routeUid],
    );
    return rows.map(({ key, text, expires_ms: expiresMs }) => ({ key, text, expiresMs: Number(expiresMs) }));
  }

  /** Writes what is waiting. Never throws: the next one tries again. */
  async flush(): Promise<void> {
    const rows = [...this.#unwritten.values()].slice(0, mostAtOnce);
    try {
      if (rows.length > 0) await this.#write(rows);
      if (this.#flushes++ % pruneEveryFlushes === 0)
        await this.#database.query("delete from gateway.answers where expires_at < now()");
    } catch (error) {
      if (!hasCode(error, "JOURNAL_UNAVAILABLE")) this.#log.error({ err: error }, "answers cannot be written down");
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.flush();
  }

  async #write(rows: readonly AnswerRow[]): Promise<void> {
    await this.#database.query(
      `insert into gateway.answers (route_uid, key, entry, expires_at)
       select $1, key, to_jsonb(entry), to_timestamp(expires_ms / 1000.0)
         from unnest($2::text[], $3::text[], $4::bigint[]) as row (key, entry, expires_ms)
       on conflict (route_uid, key) do update set entry = excluded.entry, expires_at = excluded.expires_at`,
      [
        this.#routeUid,
        rows.map(({ key }) => key),
        rows.map(({ text }) => text),
        rows.map(({ expiresMs }) => Math.floor(expiresMs)),
      ],
    );
    for (const row of rows) if (this.#unwritten.get(row.key) === row) this.#unwritten.delete(row.key);
  }
}
