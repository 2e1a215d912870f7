import { databaseError } from "../source-postgres/errors.ts";
import type { Change, Row, ShippedTransaction } from "./segment.ts";
import { WireReader } from "./wire-reader.ts";

/** One row of `pg_logical_slot_peek_binary_changes`. */
export interface WireMessage {
  readonly data: Buffer;
}

interface Relation {
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly key: boolean }[];
}

/** A value as text; undefined: a large one that the update left as it is, which the log does not repeat. */
type Value = string | null | undefined;

interface Begun {
  readonly xid: number;
  readonly changes: Change[];
}

/**
 * Transactions in the order of their commits, from the messages of Postgres' own plugin `pgoutput`, protocol version 1
 * (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html).
 *
 * @param shipped which tables are of interest, by qualified name
 * @param nextXid any transaction id from after the messages, 64 bits wide: the messages carry the lower half only
 * @throws CodedError WIRE_UNKNOWN
 */
export function decodeChanges(
  messages: Iterable<WireMessage>,
  shipped: (table: string) => boolean,
  nextXid: bigint,
): ShippedTransaction[] {
  const decoder = new Decoder(shipped, nextXid);
  for (const { data } of messages) decoder.take(new WireReader(data));
  return decoder.transactions;
}

class Decoder {
  readonly transactions: ShippedTransaction[] = [];
  readonly #shipped: (table: string) => boolean;
  readonly #nextXid: bigint;
  readonly #relations = new Map<number, Relation>();
  #begun: Begun | undefined;

  constructor(shipped: (table: string) => boolean, nextXid: bigint) {
    this.#shipped = shipped;
    this.#nextXid = nextXid;
  }

  take(reader: WireReader): void {
    const kind = reader.letter();
    switch (kind) {
      case "B":
        reader.long();
        reader.long();
        this.#begun = { xid: reader.int(), changes: [] };
        return;
      case "C":
        return this.#commit(reader);
      case "R":
        return this.#relation(reader);
      case "I":
      case "U":
      case "D":
        return this.#change(kind, reader);
      case "T":
        throw databaseError("WIRE_UNKNOWN", "a table of the journal was truncated: take a snapshot, and ship from there");
      // Origins, types, messages of other programs: nothing of ours.
      case "O":
      case "Y":
      case "M":
        return;
      default:
        throw databaseError("WIRE_UNKNOWN", `a message of kind ${kind}`, { context: { kind } });
    }
  }

  #commit(reader: WireReader): void {
    const begun = this.#begun;
    if (!begun) throw databaseError("WIRE_UNKNOWN", "a commit without its beginning");
    reader.byte();
    reader.long();
    const endLsn = reader.long();
    this.#begun = undefined;
    const { xid, changes } = begun;
    this.transactions.push({ xid: wholeXid(xid, this.#nextXid).toString(), endLsn: formatLsn(endLsn), changes });
  }

  #relation(reader: WireReader): void {
    const id = reader.int();
    const table = `${reader.name()}.${reader.name()}`;
    reader.byte();
    const columns = Array.from({ length: reader.short() }, () => {
      const key = (reader.byte() & 1) === 1;
      const name = reader.name();
      reader.int();
      reader.int();
      return { name, key };
    });
    this.#relations.set(id, { table, columns });
  }

  #change(kind: "I" | "U" | "D", reader: WireReader): void {
    const relation = this.#relations.get(reader.int());
    if (!relation || !this.#begun) throw databaseError("WIRE_UNKNOWN", "a change of an unknown table, or outside a transaction");
    if (!this.#shipped(relation.table)) return;
    const { table } = relation;
    let marker = reader.letter();
    // The row before, where its key has changed or it is gone.
    const before = marker === "N" ? undefined : readRow(reader, relation);
    if (kind === "D") {
      this.#begun.changes.push({ op: "delete", table, key: keyOf(relation, before ?? {}) });
      return;
    }
    if (before) marker = reader.letter();
    if (marker !== "N") throw databaseError("WIRE_UNKNOWN", `a row marked ${marker}`);
    const row = readRow(reader, relation);
    const key = keyOf(relation, before ?? row);
    this.#begun.changes.push(kind === "I" ? { op: "insert", table, key, row } : { op: "update", table, key, row });
  }
}

function readRow(reader: WireReader, { columns }: Relation): Row {
  const count = reader.short();
  if (count !== columns.length) throw databaseError("WIRE_UNKNOWN", `a row of ${count} columns instead of ${columns.length}`);
  const row: Record<string, string | null> = {};
  for (const { name } of columns) {
    const value = readValue(reader);
    if (value !== undefined) row[name] = value;
  }
  return row;
}

function readValue(reader: WireReader): Value {
  const kind = reader.letter();
  if (kind === "n") return null;
  if (kind === "u") return undefined;
  if (kind === "t") return reader.text(reader.int());
  throw databaseError("WIRE_UNKNOWN", `a value of kind ${kind}`);
}

function keyOf({ table, columns }: Relation, row: Row): Row {
  const key: Record<string, string> = {};
  for (const { name, key: partOfKey } of columns) {
    if (!partOfKey) continue;
    const value = row[name];
    if (typeof value !== "string") throw databaseError("WIRE_UNKNOWN", `a row of ${table} without its key`);
    key[name] = value;
  }
  if (Object.keys(key).length === 0)
    throw databaseError("WIRE_UNKNOWN", `${table} has no primary key: its changes cannot be shipped`);
  return key;
}

/** The 64-bit id whose lower half is `xid`: the newest that is older than `nextXid`. */
export function wholeXid(xid: number, nextXid: bigint): bigint {
  const candidate = (nextXid & ~0xffff_ffffn) | BigInt(xid);
  return candidate < nextXid ? candidate : candidate - 0x1_0000_0000n;
}

/** As Postgres writes a place in its log: `16/B374D848`. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

export function parseLsn(text: string): bigint {
  const [high, low, ...others] = text.split("/");
  if (high === undefined || low === undefined || others.length > 0)
    throw databaseError("WIRE_UNKNOWN", `${text} is no place in a log`);
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
