import { formatDecimal, parseDecimal } from "@bellwether/trading/decimal";
import { describe, expect, test } from "vitest";
import { budgetState } from "./budget-state.ts";
import { periodOf } from "./period.ts";
import { costOf, promptTokenBound, usedRatio } from "./spend.ts";

const usd = parseDecimal;

describe("the cost of a call", () => {
  test.each([
    { when: "it has input and output", usage: [1000, 500], price: ["0.15", "0.60"], costs: "0.00045", tokens: 1500n },
    { when: "nothing was used", usage: [0, 0], price: ["0.15", "0.60"], costs: "0", tokens: 0n },
    { when: "the model is free", usage: [1000, 500], price: ["0", "0"], costs: "0", tokens: 1500n },
    {
      when: "the price has more digits than fit: it is rounded up",
      usage: [1, 0],
      price: ["0.0000000000001", "0"],
      costs: "0.000000000000000001",
      tokens: 1n,
    },
  ])("$when → $costs", ({ usage: [inputTokens, outputTokens], price: [input, output], costs, tokens }) => {
    const price = { inputPerMillionTokens: usd(input!), outputPerMillionTokens: usd(output!) };
    const cost = costOf({ inputTokens: inputTokens!, outputTokens: outputTokens! }, price);
    expect([formatDecimal(cost.usd), cost.tokens]).toEqual([costs, tokens]);
  });

  test("bounds a prompt's tokens by its bytes, so that no vocabulary has more", () => {
    const text = "买入比特币 🚀";
    expect(promptTokenBound(text, 2)).toBe(Buffer.byteLength(text) + 2 * 16 + 256);
  });
});

describe("the used part of a month", () => {
  const limits = { usd: usd("10"), tokens: 1000n };
  test.each([
    { when: "dollars are further than tokens", spent: { usd: usd("8"), tokens: 100n }, limits, ratio: 0.8, state: "Soft" },
    { when: "tokens are further than dollars", spent: { usd: usd("1"), tokens: 790n }, limits, ratio: 0.79, state: "Available" },
    { when: "nothing is limited", spent: { usd: usd("1000"), tokens: 1n }, limits: {}, ratio: 0, state: "Available" },
    { when: "it is all spent", spent: { usd: usd("10"), tokens: 0n }, limits, ratio: 1, state: "Exhausted" },
    {
      when: "the limit is nothing",
      spent: { usd: usd("0"), tokens: 0n },
      limits: { usd: usd("0") },
      ratio: 1,
      state: "Exhausted",
    },
  ])("$when → $ratio, $state", ({ spent, limits, ratio, state }) => {
    expect(usedRatio(spent, limits)).toBe(ratio);
    expect(budgetState({ spent, limits }, 0.8)).toBe(state);
  });
});

describe("the month of a budget", () => {
  test.each([
    { now: "2026-11-30T23:59:59.999Z", name: "2026-11", end: "2026-12-01T00:00:00.000Z" },
    { now: "2026-12-01T00:00:00.000Z", name: "2026-12", end: "2027-01-01T00:00:00.000Z" },
    { now: "2028-02-29T12:00:00.000Z", name: "2028-02", end: "2028-03-01T00:00:00.000Z" },
  ])("$now lies in $name", ({ now, name, end }) => {
    const period = periodOf(Date.parse(now));
    expect([period.name, new Date(period.endMs).toISOString()]).toEqual([name, end]);
  });
});
