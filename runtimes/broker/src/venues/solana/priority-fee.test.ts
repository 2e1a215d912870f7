import { array, assert, bigInt, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { type FeeQuestion, chooseFee, feeOf, percentileOf } from "./priority-fee.ts";

const question: FeeQuestion = {
  recent: [0n, 1_000n, 2_000n, 5_000n, 1_000_000n],
  percentile: 60,
  computeUnits: 200_000,
  signatures: 1,
  spentLamports: 0n,
  limits: { maxMicroLamportsPerUnit: 10_000n, maxLamportsPerTransaction: 100_000n, dailyLamports: 1_000_000n },
};

describe("the priority fee", () => {
  test.each<{ when: string; change: Partial<FeeQuestion>; is: object }>([
    {
      when: "is the percentile of what was paid lately",
      change: {},
      is: { allowed: true, microLamportsPerUnit: 2_000n, feeLamports: 5_400n, capped: false },
    },
    {
      when: "is nothing when nothing was paid",
      change: { recent: [] },
      is: { allowed: true, microLamportsPerUnit: 0n, feeLamports: 5_000n },
    },
    {
      when: "is cut at the cap of a unit",
      change: { percentile: 100 },
      is: { allowed: true, microLamportsPerUnit: 10_000n, feeLamports: 7_000n, capped: true },
    },
    {
      when: "is cut at the cap of a transaction",
      change: {
        percentile: 100,
        limits: { ...question.limits, maxMicroLamportsPerUnit: 10n ** 12n, maxLamportsPerTransaction: 6_000n },
      },
      is: { allowed: true, microLamportsPerUnit: 5_000n, feeLamports: 6_000n, capped: true },
    },
    {
      when: "is refused when the signatures alone pass the cap",
      change: { signatures: 30 },
      is: { allowed: false, reason: "FEE_ABOVE_CAP", feeLamports: 150_000n, maxLamports: 100_000n },
    },
    {
      when: "is refused when the day's budget would be passed",
      change: { spentLamports: 994_601n },
      is: { allowed: false, reason: "DAILY_FEE_BUDGET", feeLamports: 5_400n, spentLamports: 994_601n, dailyLamports: 1_000_000n },
    },
    {
      when: "takes what is left of the budget to the last lamport",
      change: { spentLamports: 994_600n },
      is: { allowed: true, feeLamports: 5_400n },
    },
  ])("$when", ({ change, is }) => {
    expect(chooseFee({ ...question, ...change })).toMatchObject(is);
  });

  test("rounds up, as the network does", () => {
    expect(feeOf({ signatures: 2, computeUnits: 60_000, microLamportsPerUnit: 1_001n })).toBe(10_061n);
  });

  test.each([
    { percentile: 1, is: 1n },
    { percentile: 50, is: 5n },
    { percentile: 75, is: 8n },
    { percentile: 100, is: 10n },
  ])("percentile $percentile of one to ten is $is", ({ percentile, is }) => {
    expect(percentileOf([10n, 9n, 8n, 7n, 6n, 5n, 4n, 3n, 2n, 1n], percentile)).toBe(is);
  });

  test("never passes a cap or the budget, whatever the market asks for", () => {
    const amount = bigInt(0n, 10n ** 15n);
    assert(
      property(
        record({
          recent: array(amount, { maxLength: 20 }),
          percentile: integer({ min: 1, max: 100 }),
          computeUnits: integer({ min: 0, max: 1_400_000 }),
        }),
        record({ maxMicroLamportsPerUnit: amount, maxLamportsPerTransaction: amount, dailyLamports: amount }),
        (asked, limits) => {
          const verdict = chooseFee({ ...asked, signatures: 2, spentLamports: 7n, limits });
          if (!verdict.allowed) return;
          const { microLamportsPerUnit, feeLamports } = verdict;
          expect(microLamportsPerUnit <= limits.maxMicroLamportsPerUnit).toBe(true);
          expect(feeLamports <= limits.maxLamportsPerTransaction).toBe(true);
          expect(feeLamports + 7n <= limits.dailyLamports).toBe(true);
          expect(feeLamports).toBe(feeOf({ signatures: 2, computeUnits: asked.computeUnits, microLamportsPerUnit }));
        },
      ),
    );
  });
});
