import { KubernetesError } from "./errors.ts";

const newline = 0x0a;

/**
 * Cuts a stream of bytes into lines without copying more than once: a watch event arrives in one chunk or in many.
 * A line above `maxLineBytes` throws RESPONSE_TOO_LARGE (etcd holds no object above 1.5 MiB).
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #maxLineBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(onLine: (line: string) => void, maxLineBytes = 16 * 1024 * 1024) {
    this.#onLine = onLine;
    this.#maxLineBytes = maxLineBytes;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end < 0) break;
      this.#emit(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    const rest = start === 0 ? chunk : chunk.subarray(start);
    this.#pendingBytes += rest.length;
    if (this.#pendingBytes > this.#maxLineBytes) {
      throw new KubernetesError("RESPONSE_TOO_LARGE", `a watch event is larger than ${this.#maxLineBytes} bytes`);
    }
    this.#pending.push(rest);
  }

  #emit(tail: Buffer): void {
    const line = this.#pending.length === 0 ? tail : Buffer.concat([...this.#pending, tail]);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (line.length > 0) this.#onLine(line.toString("utf8"));
  }
}
