import { describe, expect, test } from "vitest";
import { summaries, type Look } from "../testing/breaker-fixtures.ts";
import type { BreakerConfig } from "./breaker.ts";

const config: BreakerConfig = { type: "PriceDeviation", threshold: 0.02, windowMs: 60_000, cooldownMs: 300_000, action: "Halt" };
const look = (minute: number, price: number, reference: number): Look => [
  minute,
  { kind: "reference", market: "BTC/USDT", price, reference },
];

describe("PriceDeviation 0.02", () => {
  test.each([
    { when: "both agree", looks: [look(0, 100, 100)], then: ["Armed 0"] },
    { when: "they are a little less apart", looks: [look(0, 101.99, 100)], then: ["Armed 0.0199"] },
    { when: "the price is above", looks: [look(0, 102.1, 100)], then: ["Tripped 0.021"] },
    { when: "the price is below", looks: [look(0, 97.9, 100)], then: ["Tripped 0.021"] },
    { when: "the reference is no price", looks: [look(0, 100, 0)], then: ["Armed -"] },
  ])("$when", ({ looks, then }) => {
    expect(summaries(config, looks)).toEqual(then);
  });

  test("arms itself five minutes after the two have agreed for a minute", () => {
    const looks = [look(0, 110, 100), look(0.5, 100, 100), look(1.5, 100, 100), look(5.4, 100, 100), look(6.5, 100, 100)];
    expect(summaries(config, looks)).toEqual(["Tripped 0.1", "Tripped 0.1", "CoolingDown 0.1", "CoolingDown 0.1", "Armed -"]);
  });
});
