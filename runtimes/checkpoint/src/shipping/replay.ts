import { messageOf } from "@bellwether/service-kit";
import type { Client } from "pg";
import type { JournalPosition, Shipped } from "../source-postgres/position.ts";
import { inTransaction } from "../source-postgres/session.ts";
import { ChangeApplier } from "./apply-changes.ts";
import { parseLsn } from "./decode-changes.ts";
import { type Segment, decodeSegment, segmentKey, segmentPlace, seriesPrefix } from "./segment.ts";
import { type SnapshotView, isVisible, parseSnapshot } from "./visible.ts";

/** Where shipped segments are read from. */
export interface ShippedJournal {
  list(prefix: string): AsyncIterable<{ readonly key: string }>;
  get(key: string): Promise<Buffer | undefined>;
}

/** A segment that should be there and is not, or not whole. What comes after it cannot be used. */
export interface Gap {
  readonly key: string;
  readonly why: string;
}

export interface Replayed {
  /** The last segment that was used; undefined: none. */
  readonly lastKey: string | undefined;
  /** When that was shipped: what was acknowledged later is not in the restored journal. Epoch milliseconds. */
  readonly shippedAtMs: number | undefined;
  readonly segments: number;
  readonly transactions: number;
  /** The schemas are newer than the snapshot's. */
  readonly migrated: boolean;
  readonly gaps: readonly Gap[];
}

/**
 * Brings a restored journal up to the last segment that was shipped: of every series that was under way when the snapshot was taken, from the segment after it
 * on. Transactions that the snapshot sees are passed over, and those that have been applied before: doing it again changes nothing.
 *
 * @param base facts of the snapshot that was loaded
 * @throws CodedError REPLAY_DIVERGED: nothing of that segment is applied
 */
export async function replay(client: Client, journal: ShippedJournal, base: JournalPosition): Promise<Replayed> {
  const run = new Replay(client, base);
  await run.prepare();
  for (const shipped of base.shipped) await run.follow(journal, shipped);
  return run.finish();
}

class Replay {
  readonly #client: Client;
  readonly #base: SnapshotView;
  readonly #server: string;
  readonly #applier: ChangeApplier;
  #appliedLsn = 0n;
  #last: Segment | undefined;
  #segments = 0;
  #transactions = 0;
  readonly #gaps: Gap[] = [];

  constructor(client: Client, base: JournalPosition) {
    this.#client = client;
    this.#base = parseSnapshot(base.snapshot);
    this.#server = base.systemIdentifier;
    this.#applier = new ChangeApplier(client);
  }

  async prepare(): Promise<void> {
    await this.#applier.references.defer();
    await this.#client.query("create schema if not exists bellwether_checkpoint");
    await this.#client.query(
      "create table if not exists bellwether_checkpoint.replayed (only_row boolean primary key default true check (only_row), lsn pg_lsn not null)",
    );
    const { rows } = await this.#client.query<{ lsn: string }>("select lsn::text as lsn from bellwether_checkpoint.replayed");
    this.#appliedLsn = parseLsn(rows[0]?.lsn ?? "0/0");
  }

  async follow(journal: ShippedJournal, { series, sequence, sha256 }: Shipped): Promise<void> {
    const highest = await highestOf(journal, series);
    let previous = sha256;
    for (let next = sequence + 1; next <= highest; next++) {
      const key = segmentKey(series, next);
      const read = await readSegment(journal, key);
      const why = "why" in read ? read.why : this.#refusal(read.segment, previous);
      if ("why" in read || why !== undefined) {
        this.#gaps.push({ key, why: why ?? "" });
        return;
      }
      await this.#apply(read.segment);
      previous = read.sha256;
    }
  }

  async finish(): Promise<Replayed> {
    await this.#applier.references.undo();
    const header = this.#last?.header;
    return {
      lastKey: header && segmentKey(header.series, header.sequence),
      shippedAtMs: header?.shippedAtMs,
      segments: this.#segments,
      transactions: this.#transactions,
      migrated: this.#applier.migrated,
      gaps: this.#gaps,
    };
  }

  #refusal({ header }: Segment, previous: string): string | undefined {
    if (header.previous !== previous) return "it does not follow the segment before it";
    return header.systemIdentifier === this.#server ? undefined : "it is of another server";
  }

  async #apply(segment: Segment): Promise<void> {
    // Places in one server's log: a second series of the same server goes on where the first one ended.
    const due = segment.transactions.filter(
      ({ xid, endLsn }) => parseLsn(endLsn) > this.#appliedLsn && !isVisible(BigInt(xid), this.#base),
    );
    const lastLsn = due.at(-1)?.endLsn;
    if (lastLsn !== undefined) {
      await inTransaction(this.#client, async () => {
        for (const each of due) await this.#applier.apply(each);
        const sql =
          "insert into bellwether_checkpoint.replayed (lsn) values ($1) on conflict (only_row) do update set lsn = excluded.lsn";
        await this.#client.query(sql, [lastLsn]);
      });
      this.#appliedLsn = parseLsn(lastLsn);
    }
    if (!this.#last || segment.header.shippedAtMs >= this.#last.header.shippedAtMs) this.#last = segment;
    this.#segments += 1;
    this.#transactions += due.length;
  }
}

async function highestOf(journal: ShippedJournal, series: string): Promise<number> {
  let highest = 0;
  for await (const { key } of journal.list(seriesPrefix(series))) highest = Math.max(highest, segmentPlace(key)?.sequence ?? 0);
  return highest;
}

async function readSegment(
  journal: ShippedJournal,
  key: string,
): Promise<{ readonly segment: Segment; readonly sha256: string } | { readonly why: string }> {
  const bytes = await journal.get(key).catch((error: unknown) => messageOf(error));
  if (bytes === undefined) return { why: "it is missing" };
  if (typeof bytes === "string") return { why: bytes };
  try {
    return decodeSegment(key, bytes);
  } catch (error) {
    return { why: messageOf(error) };
  }
}
