import { CodedError } from "@bellwether/service-kit";
import { parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { FailedFeed } from "../feeds/failed-feed.ts";
import { ManualMarket } from "../testing/manual-market.ts";
import { ExchangeReference } from "./exchange-reference.ts";

const market = "BTC/USDT";
const startMs = 1_700_000_040_000;
const ownBar = (close: number, time = startMs) => ({ time, open: close, high: close, low: close, close, volume: 1 });

describe("another exchange as a reference", () => {
  async function reference() {
    const feed = new ManualMarket(market, startMs);
    const source = new ExchangeReference({ exchange: "kraken", feed, markets: [market] });
    await source.run(new AbortController().signal);
    return { feed, source };
  }

  test("gives its close beside the account's own of the same minute", async () => {
    const { feed, source } = await reference();
    source.onOwnBar(market, ownBar(100));
    await feed.close(101);
    expect(source.read()).toEqual([{ market, known: true, price: parseDecimal("101"), own: parseDecimal("100") }]);
    // The own market is a minute ahead: the minute they share still counts.
    source.onOwnBar(market, ownBar(150, startMs + 60_000));
    expect(source.read()).toMatchObject([{ own: parseDecimal("100") }]);
  });

  test("says that it has told no minute yet, and that a market is not there", async () => {
    const { source } = await reference();
    const none = { market, known: false, reason: "no minute of BTC/USDT has been told by both the account's market and kraken" };
    expect(source.read()).toEqual([none]);
    source.onOwnBar(market, ownBar(100));
    source.onOwnBar("DOGE/USDT", ownBar(1));
    expect(source.read()).toEqual([none, { market: "DOGE/USDT", known: false, reason: "kraken has no open market DOGE/USDT" }]);
  });

  test("that cannot be opened says why, and takes bars all the same", async () => {
    const feed = new FailedFeed(new CodedError("EXCHANGE_UNKNOWN", "no exchange mtgox"));
    const source = new ExchangeReference({ exchange: "mtgox", feed, markets: [] });
    source.onOwnBar(market, ownBar(100));
    await source.run(new AbortController().signal);
    expect(source.read()).toEqual([{ market, known: false, reason: "EXCHANGE_UNKNOWN: no exchange mtgox" }]);
  });
});
