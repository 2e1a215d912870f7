import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxPositionRatio } from "./max-position-ratio.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxPositionRatio(parseDecimal("0.20"));
const denied = (ratio: string) => ({
  allowed: false,
  reason: "POSITION_RATIO",
  numbers: { market: "BTC/USDT", ratio, maximum: "0.2" },
});

describe("maxPositionRatio 0.20 on an equity of 10,000", () => {
  test.each([
    { when: "the position stays below the limit", given: {}, order: buyOf("1999.99"), then: { allowed: true } },
    { when: "it lands exactly on the limit", given: {}, order: buyOf("2000"), then: { allowed: true } },
    { when: "it would pass the limit", given: {}, order: buyOf("2000.01"), then: denied("0.200001") },
    {
      when: "it would pass it by less than a float can tell",
      given: {},
      order: buyOf("2000.000000000000000001"),
      then: denied("0.2"),
    },
    {
      when: "a working buy has claimed the room",
      given: { workingBuys: { "BTC/USDT": "1500" } },
      order: buyOf("600"),
      then: denied("0.21"),
    },
    {
      when: "another market's buys fill the account",
      given: { held: { "ETH/USDT": "8000" } },
      order: buyOf("2000"),
      then: { allowed: true },
    },
    {
      when: "a held position leaves too little room",
      given: { held: { "BTC/USDT": "2000" } },
      order: buyOf("100"),
      then: denied("0.21"),
    },
    {
      when: "a breached position is being reduced",
      given: { held: { "BTC/USDT": "5000" } },
      order: sellOf("1000"),
      then: { allowed: true },
    },
    { when: "no equity is left", given: { equity: "0" }, order: buyOf("1"), then: denied("0") },
    { when: "the equity is negative", given: { equity: "-5" }, order: buyOf("1"), then: denied("0") },
  ])("$when → $then.allowed", ({ given, order, then }) => {
    expect(toWireVerdict(rule(order, riskView(given)))).toMatchObject(then);
  });
});
