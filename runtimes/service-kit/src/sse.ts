import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Cancel, Clock } from "./clock.ts";

/** One server-sent event (WHATWG HTML §9.2); `data` is JSON text. */
export interface SseEvent {
  readonly event: string;
  readonly id?: string;
  readonly data: string;
}

export interface EventSink {
  /** False once the reader is gone. Sending to a closed sink does nothing. */
  readonly closed: boolean;
  send(event: { event: string; id?: string; data: unknown }): void;
  end(): void;
  onClose(fn: () => void): void;
}

export interface EventSinkOptions {
  /** A comment line this often, so that the reader can tell quiet from dead. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
  /** A reader that lets more than this pile up is dropped; it reconnects and reads the state afresh. */
  readonly maxBufferedBytes?: number;
}

const defaultMaxBufferedBytes = 4 * 1024 * 1024;

/** Turns a Fastify reply into a stream of server-sent events. */
export function sendEvents(reply: FastifyReply, options: EventSinkOptions): EventSink {
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", connection: "keep-alive" });
  response.socket?.setNoDelay(true);
  response.write(": open\n\n");
  return new ResponseSink(response, options);
}

class ResponseSink implements EventSink {
  readonly #response: ServerResponse;
  readonly #options: EventSinkOptions;
  readonly #closeListeners: (() => void)[] = [];
  #cancelHeartbeat: Cancel = () => undefined;
  #closed = false;

  constructor(response: ServerResponse, options: EventSinkOptions) {
    this.#response = response;
    this.#options = options;
    response.on("close", () => this.#finish());
    response.on("error", () => this.#finish());
    this.#scheduleHeartbeat();
  }

  get closed(): boolean {
    return this.#closed;
  }

  send({ event, id, data }: { event: string; id?: string; data: unknown }): void {
    this.#write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.#response.end();
    this.#finish();
  }

  onClose(fn: () => void): void {
    if (this.#closed) fn();
    else this.#closeListeners.push(fn);
  }

  #write(text: string): void {
    if (this.#closed) return;
    this.#response.write(text);
    if (this.#response.writableLength > (this.#options.maxBufferedBytes ?? defaultMaxBufferedBytes)) this.#response.destroy();
  }

  #scheduleHeartbeat(): void {
    this.#cancelHeartbeat = this.#options.clock.setTimeout(() => {
      this.#write(": heartbeat\n\n");
      if (!this.#closed) this.#scheduleHeartbeat();
    }, this.#options.heartbeatMs);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelHeartbeat();
    for (const listener of this.#closeListeners.splice(0)) listener();
  }
}

const longestEventBytes = 8 * 1024 * 1024;

/** Parses a byte stream of server-sent events. Comments yield `undefined`, so that a caller sees heartbeats. */
export async function* parseEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent | undefined> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of chunks) {
    pending += decoder.decode(chunk, { stream: true });
    if (pending.length > longestEventBytes) throw new RangeError(`a server-sent event is longer than ${longestEventBytes} bytes`);
    let end = pending.indexOf("\n\n");
    while (end >= 0) {
      yield parseBlock(pending.slice(0, end));
      pending = pending.slice(end + 2);
      end = pending.indexOf("\n\n");
    }
  }
}

function parseBlock(block: string): SseEvent | undefined {
  let event = "message";
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  if (data.length === 0) return undefined;
  return id === undefined ? { event, data: data.join("\n") } : { event, id, data: data.join("\n") };
}
