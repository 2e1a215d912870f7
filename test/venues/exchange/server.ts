import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import { type Fault, FaultPlan } from "./faults.ts";
import { UserStream } from "./user-stream.ts";
import type { Dialect, WireReply } from "./wire.ts";

export interface ExchangeServerOptions extends Omit<ExchangeOptions, "now"> {
  readonly dialect: Dialect;
  /** The true time, epoch milliseconds; the exchange's own differs from it by `skewMs`. */
  now(): number;
}

/** An exchange behind HTTP, with the faults a test asks for. */
export class ExchangeServer {
  readonly requests: string[] = [];
  readonly faults = new FaultPlan();
  readonly #options: ExchangeServerOptions;
  readonly #server: Server;
  readonly #stream: UserStream;
  /** How far the exchange's clock is ahead of everybody else's. */
  skewMs = 0;
  exchange: Exchange;

  constructor(options: ExchangeServerOptions) {
    this.#options = options;
    this.exchange = this.#open();
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#stream = new UserStream(this.#server, { dialect: options.dialect, exchange: () => this.exchange });
    this.#stream.follow(this.exchange);
  }

  async start(port = 0, host = "127.0.0.1"): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#stream.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  fault(...faults: Fault[]): void {
    this.faults.replace(faults);
  }

  /** As its process would: connections break, and what was not stored is gone. */
  restart(): void {
    this.#server.closeAllConnections();
    this.#stream.dropAll();
    this.exchange = this.#open();
    this.#stream.follow(this.exchange);
  }

  /** News to those who listen to their account stops and starts; the REST interface goes on. */
  muteStream(muted: boolean): void {
    this.#stream.muted = muted;
  }

  /** How many listen to their account. */
  get listeners(): number {
    return this.#stream.listeners;
  }

  #open(): Exchange {
    return new Exchange({ ...this.#options, now: () => this.#options.now() + this.skewMs });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // The caller has gone before it had finished speaking.
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const [path = "/", rawQuery = ""] = (request.url ?? "/").split(/\?(.*)/s);
    this.requests.push(`${request.method} ${request.url}`);
    const fault = this.faults.take(request.method ?? "GET", path);
    if (fault?.kind === "lost-request") return void request.socket.resetAndDestroy();
    if (fault?.kind === "status") return send(response, this.#statusReply(fault));
    if (fault?.kind === "garbage")
      return void response.writeHead(200, { "content-type": "text/html" }).end("<html>bad gateway</html>");
    if (fault?.kind === "late-request") await delay(fault.delayMs ?? 100);
    this.exchange.tick();
    const reply = this.#options.dialect.answer(this.exchange, {
      method: request.method ?? "GET",
      path,
      rawQuery,
      query: new URLSearchParams(rawQuery),
      body,
      headers: request.headers,
      fault: fault?.kind,
    });
    if (fault?.kind === "lost-reply") return void request.socket.resetAndDestroy();
    if (fault?.kind === "late-reply") await delay(fault.delayMs ?? 100);
    send(response, fault?.kind === "status-after" ? this.#statusReply(fault) : reply);
  }

  /** Limits are told in the dialect's JSON, faults of a front in HTML. */
  #statusReply({ status = 503, retryAfterSeconds }: Fault): WireReply {
    const headers = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
    if (status === 418 || status === 429) return { ...this.#options.dialect.limited(status), headers };
    return { status, body: "<html>service unavailable</html>", headers };
  }
}

function send(response: ServerResponse, { status, body, headers }: WireReply): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": typeof body === "string" ? "text/html" : "application/json", ...headers });
  response.end(text);
}

const delay = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));
