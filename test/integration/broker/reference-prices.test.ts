import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { decimalFromNumber } from "@bellwether/trading";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CcxtFeed } from "../../../runtimes/broker/src/feeds/ccxt/ccxt-feed.ts";
import { openExchange } from "../../../runtimes/broker/src/feeds/ccxt/public-exchange.ts";
import { ExchangeReference } from "../../../runtimes/broker/src/references/exchange-reference.ts";
import type { ReferenceReading } from "../../../runtimes/broker/src/references/reference-source.ts";
import { demoMarkets } from "../../venues/exchange/demo.ts";
import { dialectNamed } from "../../venues/exchange/dialects.ts";
import { ExchangeServer } from "../../venues/exchange/server.ts";
import { memoryStore } from "../../venues/exchange/store.ts";

const minute = 60_000;
const market = "BTC/USDT";

describe("prices of one exchange beside those of another, both on loopback", { timeout: 120_000 }, () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  let own: ExchangeServer;
  let second: ExchangeServer;
  let reference: ExchangeReference;

  async function feedOf(exchange: "binance" | "okx", server: ExchangeServer, symbols: readonly string[]): Promise<CcxtFeed> {
    const opened = await openExchange({
      exchange,
      baseUrl: await server.start(),
      load: (name) => import(`../../../runtimes/broker/src/feeds/ccxt/exchanges/${name}.ts`),
    });
    const markets = symbols.map((symbol) => ({ symbol, timeframe: "1m" }));
    return new CcxtFeed({ exchange: opened, markets, clock, log: silentLogger });
  }
  const exchangeServer = (dialect: "binance" | "okx", markets: typeof demoMarkets): ExchangeServer =>
    new ExchangeServer({
      now: () => clock.nowMs(),
      dialect: dialectNamed(dialect),
      markets,
      keys: [],
      balances: {},
      seed: dialect === "okx" ? 1 : 2,
      feeRate: "0",
      makerQuantity: "1",
      store: memoryStore(),
    });
  /** Lets seconds pass until a market's reading is as wanted. */
  const reading = async (symbol: string, wanted: (told: ReferenceReading) => boolean): Promise<ReferenceReading> => {
    let found: ReferenceReading | undefined;
    await expect
      .poll(
        async () => {
          await clock.advance(1_000);
          found = reference.read().find((told) => told.market === symbol);
          return found !== undefined && wanted(found);
        },
        { interval: 10, timeout: 60_000 },
      )
      .toBe(true);
    if (!found) throw new Error("nothing was read");
    return found;
  };

  beforeEach(async () => {
    own = exchangeServer("binance", demoMarkets);
    second = exchangeServer("okx", demoMarkets.slice(0, 1));
    const symbols = [market, "ETH/USDT"];
    const ownFeed = await feedOf("binance", own, symbols);
    reference = new ExchangeReference({ exchange: "okx", feed: await feedOf("okx", second, symbols), markets: [market] });
    const nothing = (): void => undefined;
    running.push(
      ownFeed.run(
        { onBaseBar: async (symbol, bar) => reference.onOwnBar(symbol, bar), onBar: nothing, onEnd: nothing },
        { signal: stop.signal, waiting: [], resumeAfter: nothing as () => undefined },
      ),
      reference.run(stop.signal),
    );
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    await own.stop();
    await second.stop();
  });

  test("are of the same minute, whoever tells it first; a market that the other has not, and an exchange that falls silent, are told", async () => {
    const told = await reading(market, ({ known }) => known);
    const closes = (server: ExchangeServer) =>
      Array.from({ length: 60 }, (_, ago) => {
        const opening = Math.floor(clock.nowMs() / minute) * minute - ago * minute;
        return server.exchange.market(market).path.candle(opening, minute, clock.nowMs())?.[4];
      });
    if (!told.known) throw new Error("unreachable");
    const [ownCloses, otherCloses] = [closes(own), closes(second)];
    const same = ownCloses.findIndex((close) => close !== undefined && decimalFromNumber(close) === told.own);
    expect(same).toBeGreaterThan(0);
    expect(told.price).toBe(decimalFromNumber(otherCloses[same] ?? 0));
    expect(told.price).not.toBe(told.own);

    expect(await reading("ETH/USDT", () => true)).toMatchObject({ known: false, reason: "okx has no open market ETH/USDT" });

    second.fault({ kind: "status", status: 503 });
    expect(await reading(market, ({ known }) => !known)).toMatchObject({
      reason: expect.stringMatching(/^no candle of okx for|^no minute of BTC/) as string,
    });
  });
});
