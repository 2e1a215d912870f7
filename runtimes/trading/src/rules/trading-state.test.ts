import { describe, expect, test } from "vitest";
import { buyOf, riskView, sellOf } from "../testing/risk-fixtures.ts";
import type { TradingCondition } from "./rule.ts";
import { strictestCondition, tradingState } from "./trading-state.ts";
import { toWireVerdict } from "./verdict.ts";

const active: TradingCondition = { state: "Active", by: "policy", message: "" };
const reducing: TradingCondition = { state: "Reducing", by: "policy", message: "spec.trading is Reducing" };
const haltedByPerson: TradingCondition = { state: "Halted", by: "annotation", message: "exchange incident" };
const haltedByJournal: TradingCondition = { state: "Halted", by: "journal", message: "halted at 12:00" };

describe("tradingState", () => {
  test.each([
    { when: "everything says Active", trading: active, order: buyOf("1"), then: { allowed: true } },
    {
      when: "a buy meets Reducing",
      trading: reducing,
      order: buyOf("1"),
      then: { allowed: false, reason: "REDUCING", numbers: { by: "policy" } },
    },
    { when: "a sell meets Reducing", trading: reducing, order: sellOf("1"), then: { allowed: true } },
    {
      when: "a buy meets Halted",
      trading: haltedByPerson,
      order: buyOf("1"),
      then: { allowed: false, reason: "HALTED", message: "trading is halted by the annotation: exchange incident" },
    },
    { when: "a sell meets Halted", trading: haltedByPerson, order: sellOf("1"), then: { allowed: false, reason: "HALTED" } },
  ])("$when → $then.allowed", ({ trading, order, then }) => {
    expect(toWireVerdict(tradingState(order, riskView({ trading })))).toMatchObject(then);
  });
});

describe("strictestCondition", () => {
  test.each([
    { when: "nothing speaks", given: [], then: active },
    { when: "Git says Active while the annotation halts", given: [active, haltedByPerson], then: haltedByPerson },
    { when: "a halt stands before a softer word", given: [haltedByJournal, reducing], then: haltedByJournal },
    { when: "two are equally strict", given: [haltedByPerson, haltedByJournal], then: haltedByPerson },
    { when: "reducing meets active", given: [active, reducing], then: reducing },
  ])("$when → $then.state by the $then.by", ({ given, then }) => {
    expect(strictestCondition(given)).toEqual(then);
  });
});
