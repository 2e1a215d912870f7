import { add, multiply, parseDecimal, subtract, ZERO } from "@bellwether/trading";
import { assert, bigInt, boolean, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { maker, ownTokens, usdc, wallet } from "../../testing/solana-proposals.ts";
import { fromMinorUnits } from "./amounts.ts";
import { wrappedSolMint } from "./program-addresses.ts";
import { type LandedTransaction, type SwapOrder, tradesOf, walletDelta } from "./settlement.ts";

const order: SwapOrder = {
  clientOrderId: "c1",
  market: "SOL/USDC",
  side: "sell",
  base: { asset: "SOL", mint: wrappedSolMint, decimals: 9 },
  quote: { asset: "USDC", mint: usdc, decimals: 6 },
};
const landed = (change: Partial<LandedTransaction>): LandedTransaction => ({
  signature: "s1",
  slot: 7n,
  timeMs: 1_700_000_000_000,
  failed: false,
  feeLamports: 5_000n,
  accounts: [wallet, maker, ownTokens],
  preBalances: [10_000_000_000n, 0n, 2_039_280n],
  postBalances: [8_999_995_000n, 1_000_000_000n, 2_039_280n],
  preTokens: [{ accountIndex: 2, mint: usdc, owner: wallet, amount: 0n }],
  postTokens: [{ accountIndex: 2, mint: usdc, owner: wallet, amount: 99_000_000n }],
  ...change,
});

describe("what a landed transaction did", () => {
  test("a sale: base and quote by the difference of balances, the fee apart", () => {
    const delta = walletDelta(landed({}), wallet);
    expect(delta).toMatchObject({ feeLamports: 5_000n, rentLamports: 0n });
    expect([...delta.assets]).toEqual([
      [usdc, 99_000_000n],
      [wrappedSolMint, -1_000_000_000n],
    ]);
    expect(tradesOf(order, landed({}), delta)).toEqual([
      {
        tradeId: "s1",
        clientOrderId: "c1",
        market: "SOL/USDC",
        side: "sell",
        quantity: "1",
        price: "99",
        fee: "0.000005",
        feeAsset: "SOL",
        time: 1_700_000_000_000,
        leg: "entry",
      },
    ]);
  });

  test("an account that was opened counts as rent, in the fee", () => {
    const opened = landed({
      preBalances: [10_000_000_000n, 0n, 0n],
      postBalances: [8_999_995_000n - 2_039_280n, 1_000_000_000n, 2_039_280n],
      preTokens: [],
    });
    const delta = walletDelta(opened, wallet);
    expect(delta.rentLamports).toBe(2_039_280n);
    expect(tradesOf(order, opened, delta)[0]).toMatchObject({ quantity: "1", fee: "0.00204428" });
  });

  test("SOL that passes through a wrapped account is SOL", () => {
    const wrapped = landed({
      preBalances: [10_000_000_000n, 0n, 2_039_280n],
      postBalances: [8_999_995_000n, 500_000_000n, 2_039_280n + 500_000_000n],
      preTokens: [{ accountIndex: 2, mint: wrappedSolMint, owner: wallet, amount: 0n }],
      postTokens: [{ accountIndex: 2, mint: wrappedSolMint, owner: wallet, amount: 500_000_000n }],
    });
    expect(walletDelta(wrapped, wallet)).toMatchObject({ rentLamports: 0n, assets: new Map([[wrappedSolMint, -500_000_000n]]) });
  });

  test("a failed one costs its fee and nothing else", () => {
    const failed = landed({ failed: true, postBalances: [9_999_995_000n, 0n, 2_039_280n], postTokens: landed({}).preTokens });
    expect(walletDelta(failed, wallet)).toEqual({ feeLamports: 5_000n, rentLamports: 0n, assets: new Map() });
  });

  test("whatever changed: the parts add up to the change of the wallet, to the lamport and to the last digit of the fills", () => {
    const amount = bigInt(1n, 10n ** 12n);
    assert(
      property(record({ base: amount, quote: amount, buy: boolean(), opens: boolean() }), ({ base, quote, buy, opens }) => {
        const start = 10n ** 13n;
        const rent = opens ? 2_039_280n : 0n;
        const sign = buy ? 1n : -1n;
        const change = landed({
          preBalances: [start, 0n, 2_039_280n - rent],
          postBalances: [start + sign * base - 5_000n - rent, 0n, 2_039_280n],
          preTokens: opens && !buy ? [] : [{ accountIndex: 2, mint: usdc, owner: wallet, amount: start }],
          postTokens: [{ accountIndex: 2, mint: usdc, owner: wallet, amount: (opens && !buy ? 0n : start) - sign * quote }],
        });
        const trades = tradesOf({ ...order, side: buy ? "buy" : "sell" }, change, walletDelta(change, wallet));
        const cost = trades.reduce(
          (sum, trade) => add(sum, multiply(parseDecimal(trade.quantity), parseDecimal(trade.price), "up")),
          ZERO,
        );
        const moved = trades.reduce((sum, trade) => add(sum, parseDecimal(trade.quantity)), ZERO);
        const fees = trades.reduce((sum, trade) => add(sum, parseDecimal(trade.fee)), ZERO);
        expect(cost).toBe(fromMinorUnits(quote, 6));
        const lamports = fromMinorUnits(sign * base - 5_000n - rent, 9);
        expect(subtract(buy ? moved : subtract(ZERO, moved), fees)).toBe(lamports);
      }),
    );
  });
});
