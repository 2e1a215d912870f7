import { parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { finalOrderOf } from "../../testing/approver.ts";
import { usdc } from "../../testing/solana-proposals.ts";
import { marketRulesOf, marketTokens, planSwap, quoteRefusal } from "./plan-swap.ts";
import { type SolanaToken, wrappedSolMint } from "./program-addresses.ts";

const base: SolanaToken = { asset: "SOL", mint: wrappedSolMint, decimals: 9 };
const quote: SolanaToken = { asset: "USDC", mint: usdc, decimals: 6 };
const limits = { slippageBps: 50, maxDeviationBps: 200 };
const market = { base, quote, lastPrice: parseDecimal("100") };
const order = (change: Parameters<typeof finalOrderOf>[1]) =>
  finalOrderOf(1, { market: "SOL/USDC", quantity: "2", side: "sell", ...change });

describe("an order becomes a swap", () => {
  test.each([
    {
      what: "a sale at the market",
      change: {},
      mode: "ExactIn",
      amount: 2_000_000_000n,
      input: 2_000_000_000n,
      output: 196_000_000n,
    },
    {
      what: "a sale with a limit above the deviation",
      change: { type: "limit", limit: "99.5", timeInForce: "IOC" },
      mode: "ExactIn",
      amount: 2_000_000_000n,
      input: 2_000_000_000n,
      output: 199_000_000n,
    },
    {
      what: "a sale with a limit far below",
      change: { type: "limit", limit: "50", timeInForce: "FOK" },
      mode: "ExactIn",
      amount: 2_000_000_000n,
      input: 2_000_000_000n,
      output: 196_000_000n,
    },
    {
      what: "a buy at the market",
      change: { side: "buy" },
      mode: "ExactOut",
      amount: 2_000_000_000n,
      input: 204_000_000n,
      output: 2_000_000_000n,
    },
    {
      what: "a buy within its cost",
      change: { side: "buy", maxCost: "201.5" },
      mode: "ExactOut",
      amount: 2_000_000_000n,
      input: 201_500_000n,
      output: 2_000_000_000n,
    },
    {
      what: "a buy with a limit",
      change: { side: "buy", type: "limit", limit: "100.1", timeInForce: "IOC" },
      mode: "ExactOut",
      amount: 2_000_000_000n,
      input: 200_200_000n,
      output: 2_000_000_000n,
    },
    {
      what: "a sale whose least output is rounded up",
      change: { quantity: "0.000000001" },
      mode: "ExactIn",
      amount: 1n,
      input: 1n,
      output: 1n,
    },
  ] as const)("$what", ({ change, mode, amount, input, output }) => {
    const verdict = planSwap(order(change), market, limits);
    expect(verdict).toMatchObject({
      planned: true,
      plan: { request: { mode, amount }, maximumInput: input, minimumOutput: output },
    });
  });

  test.each([
    { what: "would rest", change: { type: "limit", limit: "90", timeInForce: "GTC" }, reason: "ORDER_NOT_SUPPORTED" },
    { what: "has a stop", change: { side: "buy", stopLoss: "90" }, reason: "ORDER_NOT_SUPPORTED" },
    { what: "is finer than a lamport", change: { quantity: "0.0000000001" }, reason: "QUANTITY_NOT_ON_STEP" },
  ] as const)("or is refused when it $what", ({ change, reason }) => {
    expect(planSwap(order(change), market, limits)).toMatchObject({
      planned: false,
      reason: expect.stringContaining(reason) as string,
    });
  });

  test("or is refused when nothing bounds its price", () => {
    expect(planSwap(order({}), { ...market, lastPrice: undefined }, limits)).toMatchObject({ planned: false });
    expect(
      planSwap(order({ type: "limit", limit: "99", timeInForce: "IOC" }), { ...market, lastPrice: undefined }, limits),
    ).toMatchObject({ planned: true });
  });

  test("and a quote is good when it stays within the plan", () => {
    const verdict = planSwap(order({}), market, limits);
    if (!verdict.planned) throw new Error("not planned");
    const offer = { inputAmount: 2_000_000_000n, outputAmount: 196_000_000n, threshold: 0n, raw: {} };
    expect(quoteRefusal(verdict.plan, offer)).toBeUndefined();
    expect(quoteRefusal(verdict.plan, { ...offer, outputAmount: 195_999_999n })).toContain("PRICE");
    expect(quoteRefusal(verdict.plan, { ...offer, inputAmount: 2_000_000_001n })).toContain("PRICE");
  });
});

describe("markets are pairs of configured tokens", () => {
  test.each(["SOL/USDC", "USDC/SOL"])("%s", (symbol) => {
    const tokens = marketTokens(symbol, [base, quote]);
    expect(tokens && marketRulesOf(symbol, tokens)).toMatchObject({
      symbol,
      minQuantity: symbol === "SOL/USDC" ? "0.000000001" : "0.000001",
    });
  });

  test.each(["SOL", "SOL/SOL", "SOL/BONK", "SOL/USDC/X", "SOL/USDC:USDC"])("%s is none", (symbol) => {
    expect(marketTokens(symbol, [base, quote])).toBeUndefined();
  });
});
