import { type FileHandle, open, readFile } from "node:fs/promises";
import { CodedError, messageOf } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import { syncDirectory } from "./directory.ts";
import { decodeFrames, encodeFrame } from "./frames.ts";

/** Separates payloads that share a frame; JSON text holds none. */
const separator = "\n";
/** Payloads that share a frame, and their length: a frame has a bound, and so has what waits for its sync. */
const mostTogether = 64;
const mostTogetherLength = 100_000;

interface Waiting {
  readonly payload: string;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * An append-only file of checked records. `append` returns when the record is on the disk (fdatasync), in order of the calls. What comes while a sync is
 * under way shares the next one, in one frame: a torn write loses all of it or nothing, and none of it was acknowledged.
 *
 * After a failed write nothing is known about the end of the file, so that the log takes no more: the process has to be restarted, which reads it afresh.
 */
export class FramedLog {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #failPoints: FailPoints;
  readonly #waiting: Waiting[] = [];
  #tail: Promise<void> | undefined;
  #broken: unknown;
  #bytes = 0;

  private constructor(file: FileHandle, path: string, failPoints: FailPoints) {
    this.#file = file;
    this.#path = path;
    this.#failPoints = failPoints;
  }

  /** Creates a new, empty log. An existing file of that name is an error: a log has one writer in its life. */
  static async create(path: string, failPoints: FailPoints): Promise<FramedLog> {
    const file = await open(path, "wx", 0o600);
    await file.datasync();
    await syncDirectory(path);
    return new FramedLog(file, path, failPoints);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get healthy(): boolean {
    return this.#broken === undefined;
  }

  /**
   * @param payload not empty, one line
   * @throws CodedError LOG_UNWRITABLE: the record may or may not be on the disk then
   */
  append(payload: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (payload === "" || payload.includes(separator)) throw new RangeError("a payload is one line, and not an empty one");
      this.#waiting.push({ payload, done: resolve, failed: reject });
      this.#tail ??= this.#drain();
    });
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#together());
      try {
        await this.#write(encodeFrame(group.map(({ payload }) => payload).join(separator)));
        for (const { done } of group) done();
      } catch (error) {
        for (const { failed } of group) failed(error);
      }
    }
    this.#tail = undefined;
  }

  /** At least one, whatever its length. */
  #together(): number {
    let length = 0;
    const end = this.#waiting.findIndex(({ payload }, index) => {
      length += payload.length;
      return index > 0 && (index === mostTogether || length > mostTogetherLength);
    });
    return end === -1 ? this.#waiting.length : end;
  }

  async #write(frame: Buffer): Promise<void> {
    if (this.#broken !== undefined) throw this.#unwritable(this.#broken);
    this.#failPoints.pass("append-begins");
    try {
      await this.#file.appendFile(frame);
      await this.#file.datasync();
    } catch (error) {
      this.#broken = error;
      throw this.#unwritable(error);
    }
    this.#bytes += frame.length;
    this.#failPoints.pass("append-synced");
  }

  #unwritable(cause: unknown): CodedError<BrokerErrorCode> {
    return new CodedError<BrokerErrorCode>("LOG_UNWRITABLE", `${this.#path} does not take writes: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/**
 * All records of a log that nobody writes any more; an unfinished one at the end is left out.
 *
 * @throws CodedError LOG_CORRUPT
 */
export async function readFramedLog(path: string): Promise<readonly string[]> {
  const { payloads, damagedAt } = decodeFrames(await readFile(path));
  if (damagedAt === undefined) return payloads.flatMap((payload) => payload.split(separator));
  throw new CodedError<BrokerErrorCode>("LOG_CORRUPT", `${path} is damaged at byte ${damagedAt}`, {
    context: { path, damagedAt },
  });
}
