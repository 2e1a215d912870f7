import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import type { Client } from "pg";
import { databaseError } from "../source-postgres/errors.ts";
import { codedFault, connect } from "../source-postgres/session.ts";
import { shippingTable } from "../source-postgres/shipped-state.ts";
import { decodeChanges, formatLsn, parseLsn } from "./decode-changes.ts";
import { type ShippedTransaction, encodeSegment, segmentKey } from "./segment.ts";
import { type SeriesState, ensurePublication, ensureSlot, isShipped, publication } from "./slot.ts";
import { isVisible, parseSnapshot } from "./visible.ts";

/** Where segments go. */
export interface ShippingTarget {
  /** As the Checkpoint calls it; each has a slot, a series and a pace of its own: one that is away does not hold up the others. */
  readonly name: string;
  /** Durable once it returns; what stands under the key is replaced: only a segment that nobody knows to be shipped is ever written again. */
  put(key: string, bytes: Buffer): Promise<unknown>;
}

export interface ShipperOptions {
  /** A URL; asked anew at each connection. The role must be able to replicate and to create a publication. */
  readonly dsn: () => string;
  readonly target: ShippingTarget;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Changes that are read at a time: a segment is a few MiB. Whole transactions only, so that one may be more. */
const changesAtOnce = 5_000;
interface Peeked {
  /** In order of commit, and settled. */
  readonly transactions: readonly ShippedTransaction[];
  /** All that was committed before this has been read. */
  readonly upTo: bigint;
  /** What is left: nothing that was acknowledged before the look; more than is read at a time; what nobody else sees yet. */
  readonly left: "nothing" | "more" | "unsettled";
}

/**
 * Ships what is committed to the journal, by logical decoding: in the order of commits, with updates and deletions, whatever ids and sequences say. What was
 * shipped is written down in the journal's own server between the put and the release of the log, so that a crash at any point ships again and loses nothing.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  #client: Client | undefined;
  #identity = { systemIdentifier: "", database: "" };
  #state: SeriesState | undefined;
  #completeAtMs: number | undefined;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  /** A snapshot that was taken while this series was under way can be brought up to date; undefined before the first shipping. */
  get series(): string | undefined {
    return this.#state?.series;
  }

  /** How much of the journal would be lost now, milliseconds: everything that was acknowledged longer ago is shipped. Undefined: nothing is yet. */
  lagMs(): number | undefined {
    return this.#completeAtMs === undefined ? undefined : this.#options.clock.nowMs() - this.#completeAtMs;
  }

  /**
   * Ships everything that is committed by now.
   *
   * @returns how many segments that were
   * @throws CodedError POSTGRES_UNREACHABLE, SHIPPING_UNSUPPORTED, SHIPPING_BUSY, or what the target throws: call it again
   */
  async ship(): Promise<number> {
    const client = (this.#client ??= await this.#open());
    try {
      for (let segments = 0; ;) {
        const askedAtMs = this.#options.clock.nowMs();
        const peeked = await this.#peek(client);
        if (await this.#shipPeeked(client, peeked)) segments += 1;
        if (peeked.left === "more") continue;
        if (peeked.left === "nothing") this.#completeAtMs = askedAtMs;
        return segments;
      }
    } catch (error) {
      // Where it stands is read again: whether a statement arrived is unknown.
      await this.close();
      throw codedFault(error, client);
    }
  }

  /** Ships every `everyMs` milliseconds until told to stop. What fails is told once for each kind and tried again. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    let told = "";
    while (!signal.aborted) {
      try {
        await this.ship();
        told = "";
      } catch (error) {
        if (messageOf(error) !== told) this.#options.log.warn({ err: error }, "the journal could not be shipped");
        told = messageOf(error);
      }
      await this.#options.clock.sleep(everyMs, signal).catch(() => undefined);
    }
    await this.close();
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#state = undefined;
    await client?.end();
  }

  async #open(): Promise<Client> {
    const { dsn, target } = this.#options;
    const client = await connect(dsn(), "bellwether-shipping");
    try {
      const [server] = (
        await client.query<{ level: string; systemIdentifier: string; database: string; alone: boolean }>(
          `select current_setting('wal_level') as level, (select system_identifier::text from pg_control_system()) as "systemIdentifier",
             current_database()::text as database, pg_try_advisory_lock(hashtextextended($1, 0)) as alone`,
          [`bellwether-shipping ${target.name}`],
        )
      ).rows;
      if (server?.level !== "logical")
        throw databaseError("SHIPPING_UNSUPPORTED", `wal_level is ${server?.level ?? "unknown"}`, {
          context: { level: server?.level },
        });
      if (!server.alone) throw databaseError("SHIPPING_BUSY", `another process ships to ${target.name}`);
      this.#identity = { systemIdentifier: server.systemIdentifier, database: server.database };
      await ensurePublication(client);
      this.#state = await ensureSlot(client, target.name);
      return client;
    } catch (error) {
      await client.end();
      throw codedFault(error, client);
    }
  }

  async #peek(client: Client): Promise<Peeked> {
    const { series, toLsn } = this.#position();
    // Before the look: whatever was flushed by now, and so whatever was acknowledged, is in it.
    const [flushed] = (await client.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn")).rows;
    const { rows } = await client.query<{ data: Buffer }>(
      `select data from pg_logical_slot_peek_binary_changes($1, null, $2, 'proto_version', '1', 'publication_names', '${publication}')`,
      [series, changesAtOnce],
    );
    // After the look, for the ids of what it saw. What the log has as committed others may not see for a moment yet (a commit that waits for a standby, too).
    const [now] = (await client.query<{ snapshot: string }>("select pg_current_snapshot()::text as snapshot")).rows;
    const view = parseSnapshot(now?.snapshot ?? "");
    const decoded = decodeChanges(rows, isShipped, view.xmax);
    const unsettled = decoded.findIndex(({ xid }) => !isVisible(BigInt(xid), view));
    const settled = unsettled === -1 ? decoded : decoded.slice(0, unsettled);
    const last = parseLsn(settled.at(-1)?.endLsn ?? "0/0");
    // The limit counts messages and stops behind a commit.
    const left = unsettled !== -1 ? "unsettled" : rows.length < changesAtOnce ? "nothing" : "more";
    const upTo = left === "nothing" ? highest(parseLsn(flushed?.lsn ?? "0/0"), last) : last;
    const transactions = settled.filter(({ endLsn, changes }) => parseLsn(endLsn) > toLsn && changes.length > 0);
    return { transactions, upTo: highest(upTo, toLsn), left };
  }

  async #shipPeeked(client: Client, { transactions, upTo }: Peeked): Promise<boolean> {
    if (transactions.length > 0) await this.#put(client, transactions, upTo);
    // The server may forget its log up to here, also where nothing in it was ours.
    await client.query(
      `select pg_replication_slot_advance(slot_name, $2::pg_lsn) from pg_replication_slots
       where slot_name = $1 and confirmed_flush_lsn < $2::pg_lsn`,
      [this.#position().series, formatLsn(upTo)],
    );
    return transactions.length > 0;
  }

  async #put(client: Client, transactions: readonly ShippedTransaction[], upTo: bigint): Promise<void> {
    const { series, sequence: before, sha256: previous } = this.#position();
    const { target, clock } = this.#options;
    const sequence = before + 1;
    const { bytes, sha256 } = encodeSegment({
      header: {
        format: 1,
        series,
        sequence,
        previous,
        ...this.#identity,
        toLsn: formatLsn(upTo),
        shippedAtMs: clock.nowMs(),
        transactions: transactions.length,
      },
      transactions,
    });
    await target.put(segmentKey(series, sequence), bytes);
    await client.query(
      `update ${shippingTable} set sequence = $2, sha256 = $3, to_lsn = $4::pg_lsn, shipped_at = now() where target = $1`,
      [target.name, sequence, sha256, formatLsn(upTo)],
    );
    this.#state = { series, sequence, sha256, toLsn: upTo };
  }

  #position(): SeriesState {
    if (!this.#state) throw databaseError("POSTGRES_UNREACHABLE", "shipping has not been opened");
    return this.#state;
  }
}

function highest(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
