import { describe, expect, test } from "vitest";
import { PairedCloses } from "./paired-closes.ts";

const minute = 60_000;
const bar = (index: number, close: number) => ({ time: index * minute, open: 1, high: 1, low: 1, close, volume: 1 });
const market = "BTC/USDT";

describe("closes of two sources", () => {
  test.each([
    { when: "both have told the last minute", own: [1, 2], other: [1, 2], newest: 2 },
    { when: "the second source is a minute late", own: [1, 2, 3], other: [1, 2], newest: 2 },
    { when: "the second source is ahead", own: [1, 2], other: [1, 2, 3], newest: 2 },
    { when: "a minute had no trade at the second source", own: [1, 2, 3], other: [1, 3], newest: 3 },
    { when: "they have no minute in common", own: [1, 2], other: [3, 4], newest: undefined },
    { when: "the second source ended more than five minutes ago", own: [1, 2, 3, 4, 5, 6, 7], other: [1, 2], newest: undefined },
    { when: "the second source has told nothing", own: [1], other: [], newest: undefined },
  ])("when $when, compared is minute $newest", ({ own, other, newest }) => {
    const closes = new PairedCloses();
    for (const index of other) closes.other(market, bar(index, 200 + index));
    for (const index of own) closes.own(market, bar(index, 100 + index));
    const expected = newest === undefined ? undefined : { timeMs: newest * minute, own: 100 + newest, other: 200 + newest };
    expect(closes.newest(market)).toEqual(expected);
  });

  test("a market that only the second source knows is not compared", () => {
    const closes = new PairedCloses();
    closes.other("ETH/USDT", bar(1, 1));
    expect(closes.markets).toEqual([]);
  });
});
