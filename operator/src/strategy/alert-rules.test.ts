import { strategyRegistration } from "@bellwether/trading/wire";
import { expect, test } from "vitest";
import { alertRules } from "./alert-rules.ts";

test("alerts reach risk with durations in milliseconds, in a form it takes", () => {
  const rules = alertRules({
    alerts: [
      { name: "losing", metric: "pnlRatio", threshold: "-0.05" },
      { name: "blind", metric: "barAge", threshold: "1m30s" },
      { name: "slow", metric: "decisionLatency", threshold: "250ms" },
    ],
  });
  expect(rules.alerts?.map(({ threshold }) => threshold)).toEqual(["-0.05", "90000", "250"]);
  expect(strategyRegistration.shape.alerts.safeParse(rules.alerts).success).toBe(true);
});

test("a strategy without alerts says nothing of them, so that nothing is registered anew", () => {
  expect([alertRules({}), alertRules({ alerts: [] })]).toEqual([{}, {}]);
});
