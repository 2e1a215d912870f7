import { parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { ReferenceReading } from "./reference-source.ts";
import { sayReferences, tellReferences } from "./tell-references.ts";

const known: ReferenceReading = { market: "BTC/USDT", known: true, price: parseDecimal("101.5"), own: parseDecimal("100") };
const missing: ReferenceReading = { market: "DOGE/USDT", known: false, reason: "kraken has no open market DOGE/USDT" };

describe("what an account tells of its second source", () => {
  test.each([
    { when: "there is none", readings: [], told: {}, missing: 0 },
    {
      when: "every market has a price",
      readings: [known],
      told: { references: [{ market: "BTC/USDT", price: "101.5", own: "100", time: 7 }] },
      missing: 0,
    },
    {
      when: "a market has none",
      readings: [known, missing],
      told: {
        references: [{ market: "BTC/USDT", price: "101.5", own: "100", time: 7 }],
        referencesMissing: [{ market: "DOGE/USDT", message: "kraken has no open market DOGE/USDT" }],
      },
      missing: 1,
    },
  ])("when $when", ({ readings, told, missing: count }) => {
    expect(tellReferences(readings, 7)).toEqual(told);
    expect(sayReferences(readings).missing).toBe(count);
  });

  test("names the market and the reason in health", () => {
    expect(sayReferences([known, missing]).message).toBe("DOGE/USDT: kraken has no open market DOGE/USDT");
  });
});
