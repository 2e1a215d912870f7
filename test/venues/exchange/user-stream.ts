import type { IncomingMessage, Server } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import type { Exchange } from "./exchange.ts";
import type { ExchangeOrder, Trade } from "./orders.ts";
import type { Dialect } from "./wire.ts";

/**
 * News of an account over WebSocket: a hint that an order has changed. It loses what happens while nobody listens, says nothing twice on purpose,
 * and can be muted.
 */
export class UserStream {
  readonly #listeners = new Map<WebSocket, string>();
  readonly #server: WebSocketServer;
  readonly #options: { dialect: Dialect; exchange: () => Exchange };
  #unfollow: () => void = () => undefined;
  muted = false;

  constructor(server: Server, options: { dialect: Dialect; exchange: () => Exchange }) {
    this.#options = options;
    this.#server = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request: IncomingMessage, socket, head) => {
      this.#server.handleUpgrade(request, socket, head, (client) => this.#accept(client));
    });
  }

  follow(exchange: Exchange): void {
    this.#unfollow();
    this.#unfollow = exchange.onChange((order, trade) => this.#tell(order, trade));
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  dropAll(): void {
    for (const client of this.#listeners.keys()) client.terminate();
    this.#listeners.clear();
  }

  close(): void {
    this.#unfollow();
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  #accept(client: WebSocket): void {
    const session = new Map<string, string>();
    client.on("message", (data: Buffer) => {
      const { accountId, reply } = this.#options.dialect.subscribe(this.#options.exchange(), data.toString(), session);
      if (accountId !== undefined) this.#listeners.set(client, accountId);
      client.send(typeof reply === "string" ? reply : JSON.stringify(reply));
    });
    client.on("close", () => this.#listeners.delete(client));
    client.on("error", () => this.#listeners.delete(client));
  }

  #tell(order: ExchangeOrder, trade: Trade | undefined): void {
    if (this.muted) return;
    for (const [client, accountId] of this.#listeners) {
      if (accountId === order.accountId) client.send(JSON.stringify(this.#options.dialect.news(order, trade)));
    }
  }
}
