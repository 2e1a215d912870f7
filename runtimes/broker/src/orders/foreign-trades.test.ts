import { describe, expect, test } from "vitest";
import type { VenueTrade } from "../venues/venue.ts";
import { ForeignTrades } from "./foreign-trades.ts";

const minuteMs = 60_000;
const nowMs = 1_700_000_000_000;
const trade = (tradeId: string, ageMs: number): VenueTrade => ({
  tradeId,
  clientOrderId: "x",
  market: "BTC/USDT",
  side: "sell",
  quantity: "1",
  price: "40000",
  fee: "0",
  feeAsset: "USDT",
  time: nowMs - ageMs,
  leg: "entry",
});

describe("trades that no order of ours explains", () => {
  test("are those that the journal does not know two minutes later, youngest first", () => {
    const foreign = new ForeignTrades();
    const candidates = foreign.candidates(
      [trade("old", 9 * minuteMs), trade("ours", 5 * minuteMs), trade("new", 3 * minuteMs), trade("fresh", minuteMs)],
      nowMs,
    );
    foreign.judged(candidates, new Set(["ours"]));
    expect(foreign.found.map(({ tradeId }) => tradeId)).toEqual(["new", "old"]);
  });

  test("are looked up again each time, are told once, and are forgotten after a day or when they turn out to be ours", () => {
    const foreign = new ForeignTrades();
    foreign.judged([trade("a", 3 * minuteMs), trade("b", 3 * minuteMs)], new Set());
    const again = foreign.candidates([trade("a", 3 * minuteMs)], nowMs);
    expect(again.map(({ tradeId }) => tradeId)).toEqual(["a", "b"]);
    foreign.judged(again, new Set(["b"]));
    expect(foreign.found.map(({ tradeId }) => tradeId)).toEqual(["a"]);
    expect(foreign.candidates([], nowMs + 24 * 60 * minuteMs)).toEqual([]);
  });

  test("are bounded", () => {
    const foreign = new ForeignTrades();
    foreign.judged(
      Array.from({ length: 500 }, (_, index) => trade(`${index}`, index)),
      new Set(),
    );
    expect(foreign.found).toHaveLength(100);
    expect(foreign.found[0]?.tradeId).toBe("0");
  });
});
