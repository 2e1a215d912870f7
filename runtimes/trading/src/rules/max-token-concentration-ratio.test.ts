import { describe, expect, test } from "vitest";
import { parseDecimal } from "../decimal.ts";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import { maxTokenConcentrationRatio } from "./max-token-concentration-ratio.ts";
import { toWireVerdict } from "./verdict.ts";

const rule = maxTokenConcentrationRatio(parseDecimal("0.50"));
const denied = (ratio: string) => ({
  allowed: false,
  reason: "CONCENTRATION",
  numbers: { market: "BTC/USDT", ratio, maximum: "0.5" },
});

describe("maxTokenConcentrationRatio 0.50 on a policy of 20,000, half of it in this account", () => {
  const policy = { equity: "10000", policyEquity: "20000" };
  test.each([
    { when: "nothing is held anywhere", given: {}, order: buyOf("9999.99"), then: { allowed: true } },
    { when: "it lands exactly on the limit", given: {}, order: buyOf("10000"), then: { allowed: true } },
    { when: "it passes the limit by the last digit", given: {}, order: buyOf("10000.000000000000000001"), then: denied("0.5") },
    {
      when: "another account holds the asset",
      given: { policyHeld: { "BTC/USDT": "9000" } },
      order: buyOf("1500"),
      then: denied("0.525"),
    },
    {
      when: "a pending buy has claimed the room",
      given: { workingBuys: { "BTC/USDT": "9500" } },
      order: buyOf("600"),
      then: denied("0.505"),
    },
    {
      when: "another asset fills the policy",
      given: { policyHeld: { "ETH/USDT": "18000" } },
      order: buyOf("2000"),
      then: { allowed: true },
    },
    {
      when: "a breached asset is sold",
      given: { policyHeld: { "BTC/USDT": "18000" } },
      order: sellOf("100"),
      then: { allowed: true },
    },
    { when: "the policy has no equity", given: { policyEquity: "0" }, order: buyOf("1"), then: denied("0") },
  ])("$when → $then.allowed", ({ given, order, then }) => {
    expect(toWireVerdict(rule(order, riskView({ ...policy, ...given })))).toMatchObject(then);
  });
});
