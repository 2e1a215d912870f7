import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What the next requests meet. */
export interface Fault {
  /** Path the fault is for, such as `/api/v3/klines`; every path when absent. */
  readonly path?: string;
  readonly kind: "status" | "reset" | "garbage" | "delay" | "late-candle";
  /** For `status`: 418 and 429 are Binance's ways to say "slower". */
  readonly status?: number;
  readonly delayMs?: number;
  /** How many requests; for ever when absent. */
  times?: number;
}

export interface BinancePublicOptions {
  /** The exchange's clock, epoch milliseconds. */
  now(): number;
  readonly symbols?: readonly { symbol: string; base: string; quote: string; status?: string }[];
  /** Close of the minute opening at `timeMs`; undefined leaves the candle out, as after an outage. */
  price?(timeMs: number): number | undefined;
}

const minuteMs = 60_000;
const intervalsMs: Readonly<Record<string, number>> = {
  "1m": minuteMs,
  "5m": 5 * minuteMs,
  "15m": 15 * minuteMs,
  "1h": 60 * minuteMs,
  "1d": 1_440 * minuteMs,
};

/**
 * Binance's public spot endpoints on loopback: `/api/v3/time`, `/api/v3/exchangeInfo`, `/api/v3/klines`, in the shapes its documentation gives,
 * with faults on demand. Prices are a smooth function of time, so that any candle can be computed again by a test.
 */
export class BinancePublic {
  readonly requests: string[] = [];
  readonly #options: BinancePublicOptions;
  readonly #server: Server;
  #faults: Fault[] = [];

  constructor(options: BinancePublicOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://localhost");
      this.requests.push(`${url.pathname}${url.search}`);
      const fault = this.#take(url.pathname);
      const answer = (): void => {
        const { status, body } = this.#answer(url, fault);
        response.writeHead(status, { "content-type": "application/json", "x-mbx-used-weight-1m": "1" });
        response.end(body);
      };
      if (fault?.kind === "reset") request.socket.resetAndDestroy();
      else if (fault?.kind === "delay") setTimeout(answer, fault.delayMs ?? 100);
      else answer();
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  fault(...faults: Fault[]): void {
    this.#faults = faults;
  }

  /** The candle of this interval, as a test expects it; undefined where all its minutes are left out. */
  candle(timeMs: number, interval = "1m"): [number, number, number, number, number, number] | undefined {
    const frameMs = intervalsMs[interval] ?? minuteMs;
    let merged: [number, number, number, number, number, number] | undefined;
    for (let minute = timeMs; minute < timeMs + frameMs; minute += minuteMs) {
      const close = this.#price(minute);
      if (close === undefined) continue;
      const open = this.#price(minute - minuteMs) ?? close;
      const [high, low] = [Math.max(open, close) + 1, Math.min(open, close) - 1];
      merged = merged
        ? [timeMs, merged[1], Math.max(merged[2], high), Math.min(merged[3], low), close, merged[5] + 10]
        : [timeMs, open, high, low, close, 10];
    }
    return merged;
  }

  #price(minute: number): number | undefined {
    if (this.#options.price) return this.#options.price(minute);
    return Math.round((40_000 + 500 * Math.sin(minute / 3_600_000)) * 100) / 100;
  }

  #take(path: string): Fault | undefined {
    const fault = this.#faults.find((candidate) => candidate.path === undefined || candidate.path === path);
    if (fault?.times === undefined) return fault;
    fault.times -= 1;
    if (fault.times <= 0) this.#faults = this.#faults.filter((other) => other !== fault);
    return fault;
  }

  #answer(url: URL, fault: Fault | undefined): { status: number; body: string } {
    if (fault?.kind === "status") return refusal(fault.status ?? 503);
    if (fault?.kind === "garbage") return { status: 200, body: "<html>bad gateway</html>" };
    switch (url.pathname) {
      case "/api/v3/time":
        return { status: 200, body: JSON.stringify({ serverTime: this.#options.now() }) };
      case "/api/v3/exchangeInfo":
        return this.#exchangeInfo(url.searchParams.get("symbols"));
      case "/api/v3/klines":
        return this.#klines(url.searchParams, fault?.kind === "late-candle");
      default:
        return { status: 404, body: JSON.stringify({ code: -1000, msg: "no such path" }) };
    }
  }

  #klines(query: URLSearchParams, withoutLast: boolean): { status: number; body: string } {
    const interval = query.get("interval") ?? "";
    const frameMs = intervalsMs[interval];
    const known = this.#symbols().some(({ symbol }) => symbol === query.get("symbol"));
    if (!known) return { status: 400, body: JSON.stringify({ code: -1121, msg: "Invalid symbol." }) };
    if (frameMs === undefined) return { status: 400, body: JSON.stringify({ code: -1120, msg: "Invalid interval." }) };
    const limit = Math.min(1_000, Number(query.get("limit") ?? 500));
    const since = Number(query.get("startTime") ?? this.#options.now() - limit * frameMs);
    const rows: unknown[] = [];
    // The running candle is given, too, as the real one does.
    const newest = this.#options.now() - (withoutLast ? frameMs : 0);
    for (let time = Math.ceil(since / frameMs) * frameMs; time <= newest && rows.length < limit; time += frameMs) {
      const row = this.candle(time, interval);
      if (!row) continue;
      const [, open, high, low, close, volume] = row;
      rows.push([time, `${open}`, `${high}`, `${low}`, `${close}`, `${volume}`, time + frameMs - 1, "0", 1, "0", "0", "0"]);
    }
    return { status: 200, body: JSON.stringify(rows) };
  }

  #symbols(): readonly { symbol: string; base: string; quote: string; status?: string }[] {
    return this.#options.symbols ?? [{ symbol: "BTCUSDT", base: "BTC", quote: "USDT" }];
  }

  #exchangeInfo(only: string | null): { status: number; body: string } {
    const wanted = only === null ? undefined : new Set(JSON.parse(only) as string[]);
    const found = this.#symbols().filter(({ symbol }) => wanted?.has(symbol) ?? true);
    if (wanted && found.length < wanted.size)
      return { status: 400, body: JSON.stringify({ code: -1121, msg: "Invalid symbol." }) };
    const symbols = found.map(({ symbol, base, quote, status }) => ({
      symbol,
      status: status ?? "TRADING",
      baseAsset: base,
      baseAssetPrecision: 8,
      quoteAsset: quote,
      quotePrecision: 8,
      quoteAssetPrecision: 8,
      orderTypes: ["LIMIT", "MARKET"],
      icebergAllowed: true,
      ocoAllowed: true,
      isSpotTradingAllowed: true,
      isMarginTradingAllowed: false,
      filters: [
        { filterType: "PRICE_FILTER", minPrice: "0.01", maxPrice: "1000000", tickSize: "0.01" },
        { filterType: "LOT_SIZE", minQty: "0.00001", maxQty: "9000", stepSize: "0.00001" },
        {
          filterType: "NOTIONAL",
          minNotional: "5",
          applyMinToMarket: true,
          maxNotional: "9000000",
          applyMaxToMarket: false,
          avgPriceMins: 5,
        },
      ],
      permissions: [],
      permissionSets: [["SPOT"]],
    }));
    const info = { timezone: "UTC", serverTime: this.#options.now(), rateLimits: [], exchangeFilters: [], symbols };
    return { status: 200, body: JSON.stringify(info) };
  }
}

/** Limits are told in JSON with Binance's code, faults of its front in HTML. */
function refusal(status: number): { status: number; body: string } {
  const limited = status === 418 || status === 429;
  return {
    status,
    body: limited ? JSON.stringify({ code: -1003, msg: "Too many requests." }) : "<html>service unavailable</html>",
  };
}
