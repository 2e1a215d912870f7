import { describe, expect, test } from "vitest";
import { binanceDialect } from "./binance.ts";
import type { Ask } from "./dialect.ts";
import { okxDialect } from "./okx.ts";
import { allPages } from "./pages.ts";

const executions = 2_345;
const ids = Array.from({ length: executions }, (_, index) => index + 1);

/** An order whose executions fill several pages, as each exchange pages them. */
const binance: Ask = async (_method, parameters) => {
  const { fromId, limit, startTime } = parameters as Record<string, string | number>;
  const from = fromId === undefined ? Number(startTime) : Number(fromId);
  const rows = ids.filter((id) => id >= from).slice(0, Number(limit));
  return rows.map((id) => ({
    id,
    orderId: 7,
    price: "2",
    qty: "1",
    commission: "0.001",
    commissionAsset: "BTC",
    time: id,
    isBuyer: true,
  }));
};
const okx: Ask = async (_method, parameters) => {
  const { after, limit, begin = "0" } = parameters as Record<string, string>;
  const older = ids.filter((id) => (after === undefined || id < Number(after)) && id >= Number(begin)).toReversed();
  const data = older.slice(0, Number(limit)).map((id) => ({
    instId: "BTC-USDT",
    tradeId: `${id}`,
    billId: `${id}`,
    ordId: "7",
    side: "buy",
    fillPx: "2",
    fillSz: "1",
    fee: "-0.001",
    feeCcy: "BTC",
    ts: `${id}`,
  }));
  return { code: "0", data };
};

describe.each([
  { exchange: "Binance", dialect: binanceDialect, ask: binance, marketId: "BTCUSDT" },
  { exchange: "OKX", dialect: okxDialect, ask: okx, marketId: "BTC-USDT" },
])("executions at $exchange", ({ dialect, ask, marketId }) => {
  test("of one order are read to the last page, each once", async () => {
    const trades = await dialect.tradesOf(ask, { marketId, venueOrderId: "7" });
    expect(new Set(trades.map(({ tradeId }) => tradeId)).size).toBe(executions);
    expect(trades.length).toBe(executions);
  });

  test("since an instant are read to the last page", async () => {
    const trades = await dialect.tradesSince(ask, { marketId, sinceMs: 346 });
    expect(trades.map(({ timeMs }) => timeMs).sort((a, b) => a - b)).toEqual(ids.slice(345));
  });
});

test("a list without an end is not taken for a whole one", async () => {
  await expect(allPages({ exchange: "x", limit: 1, read: async () => [1] })).rejects.toMatchObject({ code: "VENUE_UNREACHABLE" });
});
