import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request as httpRequest,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { urlToHttpOptions } from "node:url";
import type { Clock } from "@bellwether/service-kit";

/** Shorter than any server's own patience with an idle connection (five seconds is usual): a request never meets one that is just being closed. */
const idleMs = 4_000;
const connectMs = 10_000;
const mostConnections = 1_024;
const mostIdle = 256;
/** Of an answer that is read whole. */
const longestBodyBytes = 64 * 1_048_576;

type Url = string | URL | Request;

/**
 * `fetch` for a vendor's client, on Node's own HTTP with connections that are kept: a fifth of the processor time of the built-in one, and a stream whose reader
 * stops after its last event leaves its connection usable. Only what such clients use: a body as text, an answer read once, as text or piece by piece. No
 * redirect is followed: a key would go with it.
 */
export class KeepAliveFetch {
  readonly #clock: Pick<Clock, "setTimeout">;
  readonly #http = new HttpAgent(agentOptions);
  readonly #https = new HttpsAgent(agentOptions);
  /** Of the last request: nearly all go to the same address. */
  #last: { readonly href: string; readonly url: URL; readonly target: RequestOptions } | undefined;

  constructor(clock: Pick<Clock, "setTimeout">) {
    this.#clock = clock;
  }

  readonly fetch = async (input: Url, init: RequestInit = {}): Promise<Response> => {
    const { url, target } = this.#targetOf(input instanceof Request ? input.url : String(input));
    const body = textOf(init.body);
    const headers = Object.fromEntries(init.headers instanceof Headers ? init.headers : new Headers(init.headers));
    if (body !== undefined) headers["content-length"] = String(Buffer.byteLength(body));
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const call = send({ ...target, method: init.method ?? "GET", headers });
    const { signal } = init;
    let message: IncomingMessage | null = null;
    const onAbort = (): void => {
      // Once all of it is here the connection is the next request's already.
      if (message?.complete === true) message.resume();
      else call.destroy(asError(signal?.reason));
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    call.once("close", () => signal?.removeEventListener("abort", onAbort));
    // What the request could not tell any more, its answer does.
    call.on("error", () => undefined);
    this.#watchConnect(call);
    const reply = new Promise<IncomingMessage>((resolve, reject) => call.once("response", resolve).once("error", reject));
    call.end(body);
    message = await reply;
    // The part of a Response that the clients read; a whole one costs as much as all the rest.
    return new Reply(message, url.href) as unknown as Response;
  };

  #targetOf(href: string): { url: URL; target: RequestOptions } {
    if (this.#last?.href === href) return this.#last;
    const url = new URL(href);
    const agent = url.protocol === "https:" ? this.#https : this.#http;
    this.#last = { href, url, target: { ...urlToHttpOptions(url), agent } };
    return this.#last;
  }

  #watchConnect(call: ClientRequest): void {
    call.once("socket", (socket) => {
      if (!socket.connecting) return;
      const cancel = this.#clock.setTimeout(() => {
        call.destroy(Object.assign(new Error(`no connection within ${connectMs} ms`), { code: "CONNECT_TIMEOUT" }));
      }, connectMs);
      socket.once("connect", cancel).once("close", cancel);
    });
  }
}

const agentOptions = {
  keepAlive: true,
  timeout: idleMs,
  maxSockets: mostConnections,
  maxFreeSockets: mostIdle,
  scheduling: "lifo",
} as const;

function textOf(body: RequestInit["body"]): string | undefined {
  if (body === null || body === undefined) return undefined;
  if (typeof body === "string") return body;
  throw new TypeError("only a body of text can be sent");
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("aborted");
}

class Reply {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: ReplyHeaders;
  readonly url: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage, url: string) {
    this.#message = message;
    // Whoever still reads is told by the iterator or by `text`; a fault after that concerns nobody.
    message.on("error", () => undefined);
    this.status = message.statusCode ?? 0;
    this.ok = this.status >= 200 && this.status < 300;
    this.headers = new ReplyHeaders(message.headers);
    this.url = url;
    this.body = piecesOf(message);
  }

  text(): Promise<string> {
    const message = this.#message;
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      message.on("data", (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes > longestBodyBytes) message.destroy(new Error(`the answer is longer than ${longestBodyBytes} bytes`));
      });
      message.once("end", () => resolve((parts.length === 1 ? parts[0] : Buffer.concat(parts))?.toString("utf8") ?? ""));
      message.once("error", reject);
    });
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

/** What arrived of an answer, piece by piece. A reader that stops early leaves at most a last chunk: it is read and dropped, and the connection stays. */
async function* piecesOf(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* message.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  } finally {
    if (message.complete) message.resume();
    else setImmediate(() => (message.complete ? message.resume() : message.destroy()));
  }
}

class ReplyHeaders {
  readonly #headers: IncomingMessage["headers"];

  constructor(headers: IncomingMessage["headers"]) {
    this.#headers = headers;
  }

  get(name: string): string | null {
    const value = this.#headers[name.toLowerCase()];
    return (Array.isArray(value) ? value.join(", ") : value) ?? null;
  }

  *entries(): Generator<[string, string]> {
    for (const name of Object.keys(this.#headers)) yield [name, this.get(name) ?? ""];
  }
}
