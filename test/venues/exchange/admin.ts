import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { formatDecimal } from "@bellwether/trading";
import { z } from "zod";
import { faultKinds } from "./faults.ts";
import type { ExchangeServer } from "./server.ts";

const fault = z.strictObject({
  path: z.string().optional(),
  method: z.string().optional(),
  kind: z.enum(faultKinds),
  status: z.int().optional(),
  retryAfterSeconds: z.int().optional(),
  delayMs: z.int().optional(),
  times: z.int().positive().optional(),
});
const bodies = {
  faults: z.strictObject({ faults: z.array(fault).max(100) }),
  skew: z.strictObject({ skewMs: z.int() }),
  price: z.strictObject({ symbol: z.string(), price: z.string() }),
  deposit: z.strictObject({ accountId: z.string(), asset: z.string(), amount: z.string() }),
  stream: z.strictObject({ muted: z.boolean() }),
};

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
        venue.fault(...(bodies.faults.parse(body).faults as Parameters<ExchangeServer["fault"]>));
        return {};
      case "POST /skew":
        venue.skewMs = bodies.skew.parse(body).skewMs;
        return {};
      case "POST /price": {
        const { symbol, price } = bodies.price.parse(body);
        venue.exchange.setPrice(symbol, price);
        return {};
      }
      case "POST /deposit": {
        const { accountId, asset, amount } = bodies.deposit.parse(body);
        venue.exchange.deposit(accountId, asset, amount);
        return {};
      }
      case "POST /stream":
        venue.muteStream(bodies.stream.parse(body).muted);
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
