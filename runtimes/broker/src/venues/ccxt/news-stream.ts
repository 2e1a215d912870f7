import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";

/** What a venue's news channel wants to hear, and how to read what it says. */
export interface NewsChannel {
  readonly url: string;
  /** The messages that open the subscription, one after another; signed now. */
  subscribe(nowMs: number): readonly string[];
  /** Ids of orders that a message speaks of; empty for anything else. */
  idsIn(message: string): readonly string[];
}

/** As far as a WebSocket is used; the composition root hands in the platform's. */
export interface Socket {
  send(text: string): void;
  close(): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export interface NewsStreamOptions {
  readonly channel: NewsChannel;
  readonly connect: (url: string) => Socket;
  /** The venue's time, for signatures. */
  venueTimeMs(): number;
  heard(clientIds: readonly string[]): void;
  readonly clock: Clock;
  readonly log: Logger;
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const longestMessage = 100_000;

/**
 * News of the account over WebSocket: hints that spare a second of waiting. Nothing rests on it: what it loses, says twice or makes up is found out
 * by asking, and its end only means that the next sweep is the first to know.
 */
export class NewsStream {
  readonly #options: NewsStreamOptions;
  #socket: Socket | undefined;
  #failures = 0;
  #closed = false;
  #cancelRetry: () => void = () => undefined;

  constructor(options: NewsStreamOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed || this.#socket) return;
    const { channel, connect, log } = this.#options;
    try {
      const socket = connect(channel.url);
      this.#socket = socket;
      socket.addEventListener("open", () => this.#subscribe(socket));
      socket.addEventListener("message", ({ data }) => this.#read(data));
      socket.addEventListener("close", () => this.#ended(socket));
      socket.addEventListener("error", () => this.#ended(socket));
    } catch (error) {
      log.warn({ why: messageOf(error) }, "the venue's news cannot be had; its orders are asked about all the same");
      this.#retry();
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #subscribe(socket: Socket): void {
    for (const message of this.#options.channel.subscribe(this.#options.venueTimeMs())) socket.send(message);
  }

  #read(data: unknown): void {
    if (typeof data !== "string" || data.length > longestMessage) return;
    this.#failures = 0;
    let ids: readonly string[];
    try {
      ids = this.#options.channel.idsIn(data);
    } catch {
      // Not JSON, or in another shape: no news.
      return;
    }
    if (ids.length > 0) this.#options.heard(ids);
  }

  #ended(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#retry();
  }

  #retry(): void {
    if (this.#closed) return;
    const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#cancelRetry = this.#options.clock.setTimeout(() => this.start(), delayMs);
  }
}
