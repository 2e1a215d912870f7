import { parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { type AdmissionWorld, planAdmission } from "./plan-admission.ts";

const amount = parseDecimal;
const world = (change: Partial<AdmissionWorld> = {}): AdmissionWorld => ({
  accountName: "paper",
  currency: "USDT",
  opened: true,
  accountEquity: amount("10000"),
  unassignedCash: amount("10000"),
  claimedRatio: amount("0"),
  shareRatio: amount("0.25"),
  foreignMarkets: [],
  ...change,
});

describe("planAdmission", () => {
  test.each([
    { when: "the account is unclaimed", given: {}, then: { admitted: true, capital: amount("2500") } },
    {
      when: "the shares fit exactly",
      given: { claimedRatio: amount("0.75"), unassignedCash: amount("2500") },
      then: { admitted: true, capital: amount("2500") },
    },
    {
      when: "others have gained, so that the share is worth more than is unassigned",
      given: { accountEquity: amount("12000"), unassignedCash: amount("2500") },
      then: { admitted: true, capital: amount("2500") },
    },
    {
      when: "others have lost",
      given: { accountEquity: amount("8000"), unassignedCash: amount("2500") },
      then: { admitted: true, capital: amount("2000") },
    },
    { when: "the shares do not fit", given: { claimedRatio: amount("0.8") }, then: { admitted: false } },
    { when: "nothing is unassigned", given: { unassignedCash: amount("0") }, then: { admitted: false } },
    { when: "the account has not been opened", given: { opened: false }, then: { admitted: false } },
    { when: "the share is zero", given: { shareRatio: amount("0") }, then: { admitted: false } },
    { when: "a market is quoted in another currency", given: { foreignMarkets: ["BTC/EUR"] }, then: { admitted: false } },
  ])("when $when", ({ given, then }) => {
    expect(planAdmission(world(given))).toMatchObject(then);
  });
});
