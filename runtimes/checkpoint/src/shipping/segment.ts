import { createHash } from "node:crypto";
import { z } from "zod";
import { databaseError } from "../source-postgres/errors.ts";

export const segmentFormat = 1;

/** Values as Postgres writes them as text, by column. What is not there is not known: a large value that an update left as it is. */
const row = z.record(z.string().max(63), z.string().nullable());
const change = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("insert"), table: z.string().max(130), key: row, row }),
  z.strictObject({ op: z.literal("update"), table: z.string().max(130), key: row, row }),
  z.strictObject({ op: z.literal("delete"), table: z.string().max(130), key: row }),
]);
const digest = z.string().regex(/^(?:[0-9a-f]{64})?$/);
const transaction = z.strictObject({
  /** 64 bits wide. */
  xid: z.string().regex(/^\d{1,20}$/),
  /** Where its commit ends in the log. */
  endLsn: z.string().max(20),
  changes: z.array(change),
});

const header = z.strictObject({
  format: z.literal(segmentFormat),
  /** Of one slot, from its creation on: a gap can only be at its end. */
  series: z.string().regex(/^[a-z0-9_]{1,63}$/),
  /** From 1 on. */
  sequence: z.number().int().positive(),
  /** SHA-256 of the segment before; empty for the first. */
  previous: digest,
  systemIdentifier: z.string().max(20),
  database: z.string().max(63),
  /** Everything that was committed before this is in this segment or one before. */
  toLsn: z.string().max(20),
  /** Wall time, epoch milliseconds. */
  shippedAtMs: z.number().int().nonnegative(),
  transactions: z.number().int().positive(),
});

export type Row = z.infer<typeof row>;
export type Change = z.infer<typeof change>;
export type ShippedTransaction = z.infer<typeof transaction>;
export type SegmentHeader = z.infer<typeof header>;

export interface Segment {
  readonly header: SegmentHeader;
  readonly transactions: readonly ShippedTransaction[];
}

/** Keys of a series sort by sequence. */
export function segmentKey(series: string, sequence: number): string {
  return `${seriesPrefix(series)}${String(sequence).padStart(10, "0")}`;
}

export function seriesPrefix(series: string): string {
  return `journal/${series}/`;
}

/** @returns undefined: no segment of ours */
export function segmentPlace(key: string): { readonly series: string; readonly sequence: number } | undefined {
  const [, series, digits] = /^journal\/([a-z0-9_]{1,63})\/(\d{10})$/.exec(key) ?? [];
  return series === undefined ? undefined : { series, sequence: Number(digits) };
}

/** The digest and its line feed. */
const lastLineBytes = 65;

/** A line for the header, one for each transaction, and last the digest of all before it. */
export function encodeSegment({ header: head, transactions }: Segment): { readonly bytes: Buffer; readonly sha256: string } {
  const lines = [head, ...transactions].map((each) => `${JSON.stringify(each)}\n`).join("");
  const sha256 = sha256Of(lines);
  return { bytes: Buffer.from(`${lines}${sha256}\n`), sha256 };
}

/**
 * @returns the segment and its digest, which the next one carries
 * @throws CodedError SEGMENT_INVALID
 */
export function decodeSegment(key: string, bytes: Buffer): { readonly segment: Segment; readonly sha256: string } {
  const end = Math.max(0, bytes.length - lastLineBytes);
  const sha256 = sha256Of(bytes.subarray(0, end));
  if (bytes.toString("latin1", end) !== `${sha256}\n`) throw invalid(key, "its digest is another");
  const [first = "", ...others] = bytes.toString("utf8", 0, end).split("\n").slice(0, -1);
  const head = header.safeParse(parse(key, first));
  if (!head.success) throw invalid(key, "its header is of another form");
  const transactions = transaction.array().safeParse(others.map((line) => parse(key, line)));
  if (!transactions.success || transactions.data.length !== head.data.transactions)
    throw invalid(key, "its transactions are of another form");
  if (segmentKey(head.data.series, head.data.sequence) !== key)
    throw invalid(key, `it is ${segmentKey(head.data.series, head.data.sequence)}`);
  return { segment: { header: head.data, transactions: transactions.data }, sha256 };
}

function parse(key: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw invalid(key, "a line is no JSON", cause);
  }
}

function sha256Of(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function invalid(key: string, why: string, cause?: unknown): Error {
  return databaseError("SEGMENT_INVALID", `${key}: ${why}`, { context: { key }, cause });
}
