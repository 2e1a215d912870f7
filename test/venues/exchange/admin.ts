import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { formatDecimal } from "@bellwether/trading";
import { type Fault, faultKinds } from "./faults.ts";
import type { ExchangeServer } from "./server.ts";

/** A body's member of this type; anything else is told by name. */
function member(body: unknown, name: string, type: "string" | "number" | "boolean"): string | number | boolean {
  const value = (body as Record<string, unknown> | null)?.[name];
  if (typeof value === type) return value as string;
  throw new Error(`${name} must be a ${type}`);
}
const text = (body: unknown, name: string): string => String(member(body, name, "string"));

function faultsOf(body: unknown): Fault[] {
  const { faults } = body as { faults?: unknown };
  if (!Array.isArray(faults)) throw new Error("faults must be a list");
  for (const fault of faults) {
    if (!faultKinds.some((kind) => kind === text(fault, "kind"))) throw new Error(`kind must be one of ${faultKinds.join(", ")}`);
  }
  return faults as Fault[];
}

/**
 * The other side of the exchange, on a port of its own: `POST /faults`, `/skew`, `/price`, `/deposit`, `/stream`, `/restart`, and `GET /state` with
 * all orders, trades, balances and how often each client order id was accepted.
 */
export class ExchangeAdmin {
  readonly #venue: ExchangeServer;
  readonly #server: Server;

  constructor(venue: ExchangeServer) {
    this.#venue = venue;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const [status, body] = this.#answer(`${request.method} ${request.url}`, Buffer.concat(chunks).toString());
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
  }

  async start(port = 0, host = "127.0.0.1"): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(route: string, text: string): [status: number, body: unknown] {
    try {
      return [200, this.#act(route, text === "" ? {} : (JSON.parse(text) as unknown))];
    } catch (error) {
      return [400, { error: error instanceof Error ? error.message : String(error) }];
    }
  }

  #act(route: string, body: unknown): unknown {
    const venue = this.#venue;
    switch (route) {
      case "GET /state":
        return stateOf(venue);
      case "POST /faults":
        venue.fault(...faultsOf(body));
        return {};
      case "POST /skew":
        venue.skewMs = Number(member(body, "skewMs", "number"));
        return {};
      case "POST /price":
        venue.exchange.setPrice(text(body, "symbol"), text(body, "price"));
        return {};
      case "POST /deposit":
        venue.exchange.deposit(text(body, "accountId"), text(body, "asset"), text(body, "amount"));
        return {};
      case "POST /stream":
        venue.muteStream(member(body, "muted", "boolean") === true);
        return {};
      case "POST /restart":
        venue.restart();
        return {};
      default:
        throw new Error(`no such admin route: ${route}`);
    }
  }
}

function stateOf({ exchange, requests }: ExchangeServer): unknown {
  const accounts = new Set(exchange.options.keys.map((key) => key.accountId));
  return {
    now: exchange.options.now(),
    requests: requests.length,
    prices: Object.fromEntries([...exchange.markets.keys()].map((symbol) => [symbol, formatDecimal(exchange.last(symbol))])),
    balances: Object.fromEntries([...accounts].map((accountId) => [accountId, exchange.balances(accountId)])),
    placements: Object.fromEntries(exchange.placements),
    orders: [...exchange.orders.values()].map((order) => ({
      id: order.id,
      createdMs: order.createdMs,
      clientOrderId: order.clientOrderId,
      accountId: order.accountId,
      market: order.market,
      side: order.side,
      kind: order.kind,
      status: order.status,
      quantity: formatDecimal(order.quantity),
      filled: formatDecimal(order.filled),
    })),
    trades: exchange.trades.map((trade) => ({
      id: trade.id,
      orderId: trade.orderId,
      accountId: trade.accountId,
      market: trade.market,
      side: trade.side,
      price: formatDecimal(trade.price),
      quantity: formatDecimal(trade.quantity),
      fee: formatDecimal(trade.fee),
      feeAsset: trade.feeAsset,
    })),
  };
}
