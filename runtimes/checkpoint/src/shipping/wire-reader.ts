import { databaseError } from "../source-postgres/errors.ts";

/** Reads one message of logical decoding from its front. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  letter(): string {
    return String.fromCharCode(this.#take(1).readUInt8());
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  short(): number {
    return this.#take(2).readUInt16BE();
  }

  int(): number {
    return this.#take(4).readUInt32BE();
  }

  long(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  /** Up to its zero byte. */
  name(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1) throw databaseError("WIRE_UNKNOWN", "a name without an end");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  text(length: number): string {
    return this.#take(length).toString("utf8");
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw databaseError("WIRE_UNKNOWN", "a message that ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
