import type { Clock, Logger } from "@bellwether/service-kit";
import type { Subscriber } from "../api/event-hub.ts";

/** Where entries go. */
export interface StreamWriter {
  /** Rejects when it does not know that the entry is there. */
  append(data: string): Promise<void>;
}

export interface PnlStreamOptions {
  readonly writer: StreamWriter;
  readonly clock: Clock;
  readonly log: Logger;
  /** What became of an event; `dropped`: newer ones have taken its place while nobody took them. */
  readonly onOutcome: (outcome: "written" | "dropped") => void;
}

/** A minute of them, at the most that risk tells. */
const mostWaiting = 120;
const firstPauseMs = 250;
const longestPauseMs = 10_000;

/**
 * Equity, P&L and positions for whoever reads a stream that outlives risk's own. Nobody waits for it: what cannot be written is kept for a while, tried again,
 * and gives way to what is newer. An answer that was lost makes an entry stand twice; `time` tells.
 */
export class PnlStream implements Subscriber {
  readonly #options: PnlStreamOptions;
  readonly #waiting: { readonly data: string }[] = [];
  readonly #closed = new AbortController();
  #isWriting = false;

  constructor(options: PnlStreamOptions) {
    this.#options = options;
  }

  send({ data }: { readonly data: unknown }): void {
    if (this.#closed.signal.aborted) return;
    this.#waiting.push({ data: JSON.stringify(data) });
    if (this.#waiting.length > mostWaiting && this.#waiting.shift()) this.#options.onOutcome("dropped");
    if (!this.#isWriting) void this.#write();
  }

  /** What is still waiting is given up. */
  close(): void {
    this.#closed.abort();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    const { writer, clock, log, onOutcome } = this.#options;
    const { signal } = this.#closed;
    let pauseMs = firstPauseMs;
    for (let [next] = this.#waiting; next && !signal.aborted; [next] = this.#waiting) {
      try {
        await writer.append(next.data);
        pauseMs = firstPauseMs;
        // Unless it has been dropped meanwhile.
        if (this.#waiting[0] === next) this.#waiting.shift();
        onOutcome("written");
      } catch (error) {
        if (pauseMs === firstPauseMs) log.warn({ err: error }, "the stream of equity and P&L cannot be written");
        await clock.sleep(pauseMs, signal).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    }
    this.#isWriting = false;
  }
}
