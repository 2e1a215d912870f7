import { effectiveLimits } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { EffectivePolicy } from "./effective-policy.ts";
import { tradingState } from "./trading-state.ts";

const policy = (change: Partial<EffectivePolicy> = {}): EffectivePolicy => ({
  uid: "policy-1",
  generation: 1,
  baseCurrency: "USDT",
  trading: "Active",
  haltAnnotation: undefined,
  limits: effectiveLimits({}),
  shownLimits: {},
  accounts: new Map(),
  ...change,
});
const halt = { reason: "drill", setBy: "operator" };

describe("tradingState takes the strictest of field, annotation and journal", () => {
  test.each([
    { when: "nothing stops it", given: policy(), journalHalt: undefined, then: "Active" },
    { when: "the field says Reducing", given: policy({ trading: "Reducing" }), journalHalt: undefined, then: "Reducing" },
    { when: "the field says Halted", given: policy({ trading: "Halted" }), journalHalt: undefined, then: "Halted" },
    {
      when: "the annotation is set and the field is Active",
      given: policy({ haltAnnotation: "drill" }),
      journalHalt: undefined,
      then: "Halted",
    },
    {
      when: "the annotation is set without a reason",
      given: policy({ haltAnnotation: "" }),
      journalHalt: undefined,
      then: "Halted",
    },
    {
      when: "the annotation is set and the field is Reducing",
      given: policy({ trading: "Reducing", haltAnnotation: "x" }),
      journalHalt: undefined,
      then: "Halted",
    },
    { when: "only the journal halts", given: policy(), journalHalt: halt, then: "Halted" },
    { when: "the policy has not been read", given: undefined, journalHalt: undefined, then: "Halted" },
  ])("$when → $then", ({ given, journalHalt, then }) => {
    const state = tradingState({ policy: given, journalHalt });
    expect(state.state).toBe(then);
    expect(state.message === "").toBe(then === "Active");
  });
});
