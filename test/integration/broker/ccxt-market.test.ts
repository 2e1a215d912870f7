import { silentLogger, systemClock } from "@bellwether/service-kit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CcxtFeed } from "../../../runtimes/broker/src/feeds/ccxt/ccxt-feed.ts";
import { type PublicExchange, openExchange } from "../../../runtimes/broker/src/feeds/ccxt/public-exchange.ts";
import { demoMarkets } from "../../venues/exchange/demo.ts";
import { dialectNamed } from "../../venues/exchange/dialects.ts";
import { ExchangeServer } from "../../venues/exchange/server.ts";
import { memoryStore } from "../../venues/exchange/store.ts";

const minute = 60_000;
const now = 1_700_000_070_000;

describe("ccxt's Binance against Binance's public endpoints on loopback", () => {
  let venue: ExchangeServer;
  let exchange: PublicExchange;

  beforeEach(async () => {
    venue = new ExchangeServer({
      now: () => now,
      dialect: dialectNamed("binance"),
      markets: demoMarkets,
      keys: [],
      balances: {},
      seed: 1,
      feeRate: "0",
      makerQuantity: "1",
      store: memoryStore(),
    });
    exchange = await openExchange({
      exchange: "binance",
      baseUrl: await venue.start(),
      load: (name) => import(`../../../runtimes/broker/src/feeds/ccxt/exchanges/${name}.ts`),
    });
  });
  afterEach(() => venue.stop());

  test("steps and minimums come from the exchange, as exact decimals; closed and foreign markets are not there", async () => {
    await exchange.loadMarkets(["BTC/USDT", "LUNA/USDT", "DOGE/USDT"]);
    expect(exchange.market("BTC/USDT")).toEqual({
      symbol: "BTC/USDT",
      base: "BTC",
      quote: "USDT",
      quantityStep: "0.00001",
      priceStep: "0.01",
      minQuantity: "0.00001",
      minNotional: "5",
    });
    expect(exchange.market("LUNA/USDT")).toBe("unknown");
    expect(exchange.market("BTC/USDT:USDT")).toBe("not-spot");
    expect(exchange.market("DOGE/USDT")).toBe("unknown");
    expect(venue.requests.every((request) => request.startsWith("GET /api/v3/"))).toBe(true);
  });

  test("candles are the exchange's, the running one included", async () => {
    await exchange.loadMarkets(["BTC/USDT"]);
    const since = Math.floor(now / minute) * minute - 2 * minute;
    const candles = await exchange.candles({ symbol: "BTC/USDT", timeframe: "1m", sinceMs: since, limit: 10 });
    expect(candles).toEqual(
      [0, 1, 2].map((index) => venue.exchange.market("BTC/USDT").path.candle(since + index * minute, minute, now)),
    );
    expect(await exchange.serverTimeMs()).toBe(now);
  });

  test.each([
    { when: "429", fault: { kind: "status", status: 429 }, limited: true },
    { when: "418", fault: { kind: "status", status: 418 }, limited: true },
    { when: "503", fault: { kind: "status", status: 503 }, limited: false },
    { when: "a reset", fault: { kind: "lost-request" }, limited: false },
  ] as const)("$when is VENUE_UNREACHABLE, and says whether to slow down", async ({ fault, limited }) => {
    await exchange.loadMarkets(["BTC/USDT"]);
    venue.fault({ ...fault, path: "/api/v3/klines" });
    await expect(
      exchange.candles({ symbol: "BTC/USDT", timeframe: "1m", sinceMs: now - minute, limit: 1 }),
    ).rejects.toMatchObject({
      code: "VENUE_UNREACHABLE",
      context: { limited },
    });
  });

  test("a page instead of JSON holds no candle", async () => {
    await exchange.loadMarkets(["BTC/USDT"]);
    venue.fault({ kind: "garbage" });
    expect(await exchange.candles({ symbol: "BTC/USDT", timeframe: "1m", sinceMs: now - minute, limit: 1 })).toEqual([]);
  });

  test("a feed on it delivers the minute that has closed and serves history", async () => {
    const feed = new CcxtFeed({
      exchange,
      markets: [{ symbol: "BTC/USDT", timeframe: "5m" }],
      clock: systemClock,
      log: silentLogger,
    });
    const stop = new AbortController();
    const base: number[] = [];
    const running = feed.run(
      { onBaseBar: async (_market, bar) => void base.push(bar.time), onBar: () => undefined, onEnd: () => undefined },
      { signal: stop.signal, waiting: [], resumeAfter: () => undefined },
    );
    const lastClosed = Math.floor(now / minute) * minute - minute;
    await expect.poll(() => base, { timeout: 5_000 }).toEqual([lastClosed]);
    const bars = await feed.bars({ market: "BTC/USDT", timeframe: "1m", limit: 2 });
    expect(bars.map((bar) => bar.time)).toEqual([lastClosed - minute, lastClosed]);
    stop.abort();
    await running;
  });

  test("an exchange whose data this image does not carry is named", async () => {
    await expect(openExchange({ exchange: "mtgox", load: async () => undefined })).rejects.toMatchObject({
      code: "EXCHANGE_UNKNOWN",
    });
  });
});
