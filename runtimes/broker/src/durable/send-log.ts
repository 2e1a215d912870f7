import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "@bellwether/service-kit";
import { z } from "zod";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import { syncDirectory } from "./directory.ts";
import { FramedLog, readFramedLog } from "./framed-log.ts";

/** What the send log remembers, beside Postgres and on another disk. `order` is the canonical text. */
const sendRecord = z.discriminatedUnion("kind", [
  /** Written before the first byte leaves. */
  z.strictObject({
    kind: z.literal("about-to-send"),
    order: z.string(),
    nonce: z.string(),
    riskEpoch: z.int(),
    writerEpoch: z.int(),
    aboutToSendAtMs: z.int(),
  }),
  /** The signed bytes of a Solana transaction, written before the first of them leaves. Heights and lamports are decimal text. */
  z.strictObject({
    kind: z.literal("signed"),
    operationId: z.string(),
    operation: z.union([
      z.strictObject({ kind: z.literal("swap"), market: z.string(), side: z.enum(["buy", "sell"]) }),
      z.strictObject({ kind: z.literal("transfer"), asset: z.string(), destination: z.string() }),
    ]),
    signature: z.string(),
    wire: z.string(),
    blockhash: z.string(),
    lastValidBlockHeight: z.string().regex(/^\d+$/),
    feeLamports: z.string().regex(/^\d+$/),
    riskEpoch: z.int(),
    writerEpoch: z.int(),
    atMs: z.int(),
  }),
  /** Protective legs of an order, written before the first byte leaves. */
  z.strictObject({
    kind: z.literal("protective"),
    clientOrderId: z.string(),
    market: z.string(),
    number: z.int(),
    quantity: z.string(),
    atMarket: z.boolean(),
    legs: z.array(z.strictObject({ leg: z.enum(["stopLoss", "takeProfit"]), id: z.string(), price: z.string() })).max(2),
    writerEpoch: z.int(),
    aboutToSendAtMs: z.int(),
  }),
  /** This order was never sent and never will be. */
  z.strictObject({ kind: z.literal("void"), order: z.string(), riskEpoch: z.int(), writerEpoch: z.int(), atMs: z.int() }),
]);
export type SendRecord = z.output<typeof sendRecord>;
/** Records that speak of an order. */
export type OrderRecord = Extract<SendRecord, { order: string }>;
export type SignedRecord = Extract<SendRecord, { kind: "signed" }>;
export type ProtectiveRecord = Extract<SendRecord, { kind: "protective" }>;

/** A send log as the broker uses it. The simulation keeps one in memory that dies and lives with its volume. */
export type SendRecords = Pick<SendLog, "append" | "history" | "prune" | "healthy" | "close">;

export interface SendLogLimits {
  /** A fuller segment is followed by a new one. */
  readonly segmentBytes: number;
  /** The oldest segments beyond this go at the next start. */
  readonly totalBytes: number;
}

const defaultSendLogLimits: SendLogLimits = { segmentBytes: 4 * 1024 * 1024, totalBytes: 64 * 1024 * 1024 };

const segmentName = /^send-(\d{8})\.log$/;

/**
 * The broker's own record of what it was about to send, in a file on its own volume: what survives when Postgres comes back from an older copy.
 * Each process writes segments of its own; a superseded process that still writes cannot damage its successor's.
 */
export class SendLog {
  readonly #directory: string;
  readonly #failPoints: FailPoints;
  readonly #limits: SendLogLimits;
  readonly #known: readonly number[];
  #number: number;
  #segment: FramedLog | undefined;
  #tail: Promise<void> = Promise.resolve();

  private constructor(directory: string, numbers: readonly number[], options: { failPoints: FailPoints; limits: SendLogLimits }) {
    this.#directory = directory;
    this.#failPoints = options.failPoints;
    this.#limits = options.limits;
    this.#known = numbers;
    this.#number = numbers.at(-1) ?? 0;
  }

  static async open(directory: string, options: { failPoints: FailPoints; limits?: SendLogLimits }): Promise<SendLog> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const numbers = (await readdir(directory)).flatMap((name) => segmentName.exec(name)?.[1] ?? []).map(Number);
    const limits = options.limits ?? defaultSendLogLimits;
    return new SendLog(
      directory,
      numbers.sort((a, b) => a - b),
      { failPoints: options.failPoints, limits },
    );
  }

  /**
   * The records of earlier processes, segment by segment, oldest first: one segment in memory at a time.
   *
   * @throws CodedError LOG_CORRUPT
   */
  async *history(): AsyncGenerator<readonly SendRecord[]> {
    for (const number of this.#known) yield (await readFramedLog(this.#path(number))).map((text) => this.#parsed(text, number));
  }

  /** Removes the oldest segments beyond the limit. Call it only once all of the history is known to Postgres. */
  async prune(): Promise<void> {
    let keptBytes = 0;
    for (const number of this.#known.toReversed()) {
      const path = this.#path(number);
      const { size } = await stat(path);
      keptBytes += size;
      if (size === 0 || keptBytes > this.#limits.totalBytes) await rm(path, { force: true });
    }
    await syncDirectory(this.#path(0));
  }

  /** @throws CodedError LOG_UNWRITABLE; what was to be sent must not be sent then */
  append(record: SendRecord): Promise<void> {
    // One after another only until each has its place in a segment: the sync is waited for together.
    const placed = this.#tail.then(async () => {
      const segment = await this.#writable();
      return { synced: segment.append(JSON.stringify(record)) };
    });
    this.#tail = placed.then(
      () => undefined,
      () => undefined,
    );
    return placed.then(({ synced }) => synced);
  }

  /** False once a write has failed; only a restart helps. */
  get healthy(): boolean {
    return this.#segment?.healthy ?? true;
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#segment?.close();
  }

  async #writable(): Promise<FramedLog> {
    if (this.#segment && this.#segment.bytes < this.#limits.segmentBytes) return this.#segment;
    const full = this.#segment;
    this.#number += 1;
    this.#segment = await FramedLog.create(this.#path(this.#number), this.#failPoints);
    await full?.close();
    return this.#segment;
  }

  #path(number: number): string {
    return join(this.#directory, `send-${String(number).padStart(8, "0")}.log`);
  }

  #parsed(text: string, number: number): SendRecord {
    const result = sendRecord.safeParse(JSON.parse(text));
    if (result.success) return result.data;
    throw new CodedError<BrokerErrorCode>("LOG_CORRUPT", `${this.#path(number)} holds a record this version does not know`, {
      cause: result.error,
    });
  }
}
