import { formatDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { heldMessage, planAdoption } from "./adopt.ts";

const drift = [
  { asset: "BTC", journal: "1", venue: "0.9" },
  { asset: "USDT", journal: "100", venue: "150.5" },
];
const nothingMoves = new Set<string>();

describe("planAdoption", () => {
  test("takes the venue's amounts for true", () => {
    const adjustments = planAdoption({ drift, seen: undefined, moving: nothingMoves });
    expect(adjustments.map(({ asset, amount }) => `${asset} ${formatDecimal(amount)}`)).toEqual(["BTC -0.1", "USDT 50.5"]);
  });

  test("takes them when they are what the person has seen, whatever the order and the zeros", () => {
    const seen = [
      { asset: "USDT", journal: "100.00", venue: "150.50" },
      { asset: "BTC", journal: "1", venue: "0.9" },
    ];
    expect(planAdoption({ drift, seen, moving: nothingMoves })).toHaveLength(2);
  });

  test.each([
    { when: "nothing differs", given: { drift: [], seen: undefined, moving: nothingMoves }, then: "NOT_DRIFTING" },
    {
      when: "it differs otherwise by now",
      given: { drift, seen: drift.slice(0, 1), moving: nothingMoves },
      then: "DRIFT_CHANGED",
    },
    { when: "an order may explain it", given: { drift, seen: undefined, moving: new Set(["BTC"]) }, then: "DRIFT_IN_SEND_LOG" },
  ])("refuses when $when", ({ given, then }) => {
    expect(() => planAdoption(given)).toThrow(expect.objectContaining({ code: then }));
  });
});

describe("heldMessage", () => {
  test("names each asset with both amounts", () => {
    expect(heldMessage(drift, nothingMoves)).toContain("BTC: journal 1, venue 0.9; USDT: journal 100, venue 150.5");
  });

  test("names what another hand has done, when the venue tells", () => {
    const trade = { tradeId: "t-2", market: "BTC/USDT", side: "sell", quantity: "0.1", price: "505", time: 2 } as const;
    const message = heldMessage(drift, nothingMoves, [trade, { ...trade, tradeId: "t-1" }]);
    expect(message).toMatch(/Another hand has sold 0\.1 of BTC\/USDT at 505 \(trade t-2\), and 1 more\.$/);
  });

  test("holds nothing that orders under way explain", () => {
    expect(heldMessage(drift, new Set(["BTC", "USDT"]))).toBeUndefined();
    expect(heldMessage([], nothingMoves)).toBeUndefined();
  });
});
