import { type TradingCondition, effectiveGas, effectiveLimits } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import type { EffectivePolicy } from "./effective-policy.ts";
import { type JournalHalt, holdsOf, tradingState } from "./trading-state.ts";

const policy = (change: Partial<EffectivePolicy> = {}): EffectivePolicy => ({
  uid: "policy-1",
  generation: 1,
  baseCurrency: "USDT",
  trading: "Active",
  haltAnnotation: undefined,
  reduceAnnotation: undefined,
  resetAnnotation: undefined,
  circuitBreakers: [],
  sizing: undefined,
  gas: effectiveGas(),
  limits: effectiveLimits({}),
  shownLimits: {},
  accounts: new Map(),
  ...change,
});
const halt = { reason: "drill", setBy: "operator", state: "Halted" } as const;
const breaker = { state: "Reducing", by: "breaker", message: "VolatilitySpike 4 (threshold 3)" } as const;

interface Case {
  readonly when: string;
  readonly given: EffectivePolicy | undefined;
  readonly journalHalt: JournalHalt | undefined;
  readonly breakers?: TradingCondition;
  readonly then: string;
}

describe("tradingState takes the strictest of field, annotation and journal", () => {
  test.each<Case>([
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
    { when: "the journal reduces", given: policy(), journalHalt: { ...halt, state: "Reducing" as const }, then: "Reducing" },
    {
      when: "the annotation reduce is set",
      given: policy({ reduceAnnotation: "news" }),
      journalHalt: undefined,
      then: "Reducing",
    },
    { when: "a breaker reduces", given: policy(), journalHalt: undefined, breakers: breaker, then: "Reducing" },
    {
      when: "a breaker reduces and the annotation halts",
      given: policy({ haltAnnotation: "x" }),
      journalHalt: undefined,
      breakers: breaker,
      then: "Halted",
    },
    { when: "only the journal halts", given: policy(), journalHalt: halt, then: "Halted" },
    { when: "the policy has not been read", given: undefined, journalHalt: undefined, then: "Halted" },
  ])("$when → $then", ({ given, journalHalt, breakers, then }) => {
    const state = tradingState({ policy: given, journalHalt, breakers });
    expect(state.state).toBe(then);
    expect(state.message === "").toBe(then === "Active");
  });
});

test("holdsOf names everything that holds trading, the strictest first", () => {
  const sources = { policy: policy({ trading: "Reducing", haltAnnotation: "drill" }), journalHalt: undefined, breakers: breaker };
  expect(holdsOf(sources)).toEqual([
    { by: "annotation", state: "Halted", message: "bellwether.dev/halt: drill" },
    { by: "policy", state: "Reducing", message: "spec.trading is Reducing" },
    { by: "breaker", state: "Reducing", message: "VolatilitySpike 4 (threshold 3)" },
  ]);
});
