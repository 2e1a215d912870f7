import { describe, expect, test } from "vitest";
import { parseDecimal, ZERO } from "../decimal.ts";
import { toWireVerdict } from "../rules/verdict.ts";
import { withQuote, type FeeHistory } from "./fee-history.ts";
import { effectiveGas, FEE_WINDOW_MS, judgeFee, type FeeQuote } from "./gas-limits.ts";

const minuteMs = 60_000;
const limits = effectiveGas({
  maxPriorityFeeMicroLamports: 50_000,
  maxFeeLamportsPerTransaction: 200_000,
  dailyFeeBudget: "5",
  spikeMultiple: 3,
});

/** Twenty minutes at this fee. */
function steady(fee: number): FeeHistory {
  let history: FeeHistory = [];
  for (let minute = 0; minute < 20; minute++)
    history = withQuote(history, fee, { timeMs: minute * minuteMs, windowMs: FEE_WINDOW_MS });
  return history;
}

const allowed = { allowed: true };
const denied = (reason: string, numbers: Record<string, string>) => ({ allowed: false, reason, numbers });

describe("judgeFee", () => {
  test.each([
    { when: "gas is cheap", quote: { gasPriceGwei: parseDecimal("20") }, then: allowed },
    { when: "gas costs exactly the cap", quote: { gasPriceGwei: parseDecimal("100") }, then: allowed },
    {
      when: "gas is dearer",
      quote: { gasPriceGwei: parseDecimal("100.1") },
      then: denied("GAS_PRICE", { gwei: "100.1", maximum: "100" }),
    },
    {
      when: "the priority fee is above its cap",
      quote: { priorityFeeMicroLamports: 50_001 },
      then: denied("PRIORITY_FEE", { microLamports: "50001", maximum: "50000" }),
    },
    {
      when: "one transaction is too dear",
      quote: { feeLamports: 200_001 },
      then: denied("TRANSACTION_FEE", { lamports: "200001", maximum: "200000" }),
    },
    { when: "the day's budget is just enough", quote: { fee: parseDecimal("1") }, spent: "4", then: allowed },
    {
      when: "the day's budget is spent",
      quote: { fee: parseDecimal("1.01") },
      spent: "4",
      then: denied("FEE_BUDGET", { spent: "4", fee: "1.01", maximum: "5" }),
    },
    {
      when: "the fee is a little less than three times the usual",
      quote: { priorityFeeMicroLamports: 2_999 },
      usual: 1_000,
      then: allowed,
    },
    {
      when: "the fee is three times the usual",
      quote: { priorityFeeMicroLamports: 3_000 },
      usual: 1_000,
      then: denied("GAS_SPIKE", { fee: "3000", usual: "1000", multiple: "3" }),
    },
    { when: "nothing is usual yet", quote: { priorityFeeMicroLamports: 30_000 }, then: allowed },
    {
      when: "an exit meets a spike, a spent budget and a high price",
      reduceOnly: true,
      quote: { gasPriceGwei: parseDecimal("900"), fee: parseDecimal("9") },
      spent: "5",
      usual: 1,
      then: allowed,
    },
    {
      when: "an exit would cost more than one transaction may",
      reduceOnly: true,
      quote: { feeLamports: 900_000 },
      then: denied("TRANSACTION_FEE", { lamports: "900000", maximum: "200000" }),
    },
  ] as { when: string; quote: FeeQuote; spent?: string; usual?: number; reduceOnly?: boolean; then: object }[])(
    "$when",
    ({ quote, spent, usual, reduceOnly, then }) => {
      const spentToday = spent === undefined ? ZERO : parseDecimal(spent);
      const history = usual === undefined ? [] : steady(usual);
      const state = { spentToday, history, timeMs: 20 * minuteMs, reduceOnly: reduceOnly ?? false };
      expect(toWireVerdict(judgeFee(quote, limits, state))).toMatchObject(then);
    },
  );

  test("a policy that says nothing of gas caps its price at 100 gwei and spikes at three times the usual", () => {
    expect(effectiveGas()).toMatchObject({ maxGasPriceGwei: parseDecimal("100"), spikeMultiple: 3, dailyFeeBudget: undefined });
  });
});
