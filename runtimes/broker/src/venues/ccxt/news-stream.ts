import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";

/** What a venue's news channel wants to hear, and how to read what it says. */
export interface NewsChannel {
  readonly url: string;
  /** The messages that open the subscription, one after another; signed now. */
  subscribe(nowMs: number): readonly string[];
  /** What has to be said upon a message: a subscription that waits for its login to be taken. */
  readonly answer?: (message: string) => readonly string[];
  /** Ids of orders that a message speaks of; empty for anything else. */
  idsIn(message: string): readonly string[];
  /** Said this often, where the venue closes a connection on which it hears nothing. */
  readonly keepAlive?: { readonly text: string; readonly everyMs: number };
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
  #cancelKeepAlive: () => void = () => undefined;

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
      socket.addEventListener("message", ({ data }) => this.#read(socket, data));
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
    this.#cancelKeepAlive();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #subscribe(socket: Socket): void {
    for (const message of this.#options.channel.subscribe(this.#options.venueTimeMs())) socket.send(message);
    this.#keepAlive(socket);
  }

  #keepAlive(socket: Socket): void {
    const { keepAlive } = this.#options.channel;
    if (!keepAlive) return;
    this.#cancelKeepAlive = this.#options.clock.setTimeout(() => {
      if (this.#socket !== socket) return;
      socket.send(keepAlive.text);
      this.#keepAlive(socket);
    }, keepAlive.everyMs);
  }

  #read(socket: Socket, data: unknown): void {
    if (typeof data !== "string" || data.length > longestMessage) return;
    this.#failures = 0;
    const { channel } = this.#options;
    let ids: readonly string[];
    try {
      for (const answer of channel.answer?.(data) ?? []) socket.send(answer);
      ids = channel.idsIn(data);
    } catch {
      // Not JSON, or in another shape: no news.
      return;
    }
    if (ids.length > 0) this.#options.heard(ids);
  }

  #ended(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#cancelKeepAlive();
    this.#retry();
  }

  #retry(): void {
    if (this.#closed) return;
    const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#cancelRetry = this.#options.clock.setTimeout(() => this.start(), delayMs);
  }
}
