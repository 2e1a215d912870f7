import { assert, bigInt, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { ownTokens, stranger, usdc, wallet } from "../../testing/solana-proposals.ts";
import { wrappedSolMint } from "./program-addresses.ts";
import { type ApprovedChange, type ChangeViolation, checkSimulatedChange } from "./simulated-changes.ts";
import type { TokenAccountState, WalletState } from "./wallet-state.ts";

const rent = 2_039_280n;
const account = (change: Partial<TokenAccountState> = {}): TokenAccountState => ({
  address: ownTokens,
  mint: usdc,
  owner: wallet,
  amount: 500n,
  frozen: false,
  lamports: rent,
  ...change,
});
const state = (change: Partial<WalletState> = {}): WalletState => ({
  freeLamports: 10_000_000n,
  rentLamports: rent,
  tokens: new Map([[usdc, 500n]]),
  accounts: [account()],
  plain: true,
  ...change,
});
const selling: ApprovedChange = {
  input: { mint: wrappedSolMint, maximum: 1_000n },
  output: { mint: usdc, minimum: 90n },
  feeLamports: 5_000n,
  maxRentLamports: 0n,
};
const buying: ApprovedChange = {
  ...selling,
  input: { mint: usdc, maximum: 90n },
  output: { mint: wrappedSolMint, minimum: 1_000n },
};
const with_ = (lamports: bigint, tokens: bigint, change: Partial<WalletState> = {}): WalletState =>
  state({ freeLamports: 10_000_000n + lamports, tokens: new Map([[usdc, 500n + tokens]]), ...change });

describe("what a simulation did to the wallet", () => {
  test.each<{ when: string; after: WalletState; approved?: ApprovedChange; violations: ChangeViolation["reason"][] }>([
    { when: "sold for exactly what was approved", after: with_(-6_000n, 90n), violations: [] },
    { when: "sold one lamport more", after: with_(-6_001n, 90n), violations: ["INPUT_EXCEEDED"] },
    { when: "brought one unit less", after: with_(-6_000n, 89n), violations: ["OUTPUT_BELOW_MINIMUM"] },
    { when: "brought nothing", after: with_(-6_000n, 0n), violations: ["OUTPUT_BELOW_MINIMUM"] },
    { when: "bought for exactly what was approved", approved: buying, after: with_(1_000n - 5_000n, -90n), violations: [] },
    { when: "bought for one unit more", approved: buying, after: with_(1_000n - 5_000n, -91n), violations: ["INPUT_EXCEEDED"] },
    {
      when: "locked rent that was not approved",
      after: with_(-6_000n - rent, 90n, { rentLamports: 2n * rent }),
      violations: ["RENT_EXCEEDED"],
    },
    {
      when: "took another asset along",
      approved: { ...selling, output: { mint: stranger, minimum: 0n } },
      after: with_(-6_000n, -1n),
      violations: ["ASSET_LOST"],
    },
    {
      when: "made somebody a delegate",
      after: with_(-6_000n, 90n, { accounts: [account({ delegate: stranger })] }),
      violations: ["DELEGATE_CHANGED"],
    },
    {
      when: "let somebody else close the account",
      after: with_(-6_000n, 90n, { accounts: [account({ closeAuthority: stranger })] }),
      violations: ["CLOSE_AUTHORITY_CHANGED"],
    },
    {
      when: "gave the account away",
      after: with_(-6_000n, -500n, { accounts: [] }),
      violations: ["OUTPUT_BELOW_MINIMUM", "OWNER_CHANGED"],
    },
    { when: "made the wallet a program's", after: with_(-6_000n, 90n, { plain: false }), violations: ["WALLET_TAKEN_OVER"] },
  ])("$when", ({ after, approved = selling, violations }) => {
    expect(checkSimulatedChange({ before: state(), after }, approved).map(({ reason }) => reason)).toEqual(violations);
  });

  test("a new account with a delegate of its own is refused, too", () => {
    const added = account({ address: stranger, amount: 0n, delegate: stranger });
    const after = with_(-6_000n - rent, 90n, { rentLamports: 2n * rent, accounts: [account(), added] });
    const violations = checkSimulatedChange({ before: state(), after }, { ...selling, maxRentLamports: rent });
    expect(violations).toEqual([{ reason: "DELEGATE_CHANGED", account: stranger }]);
  });

  test("what passes never costs more than input, fee and rent, and never brings less than the output", () => {
    const change = bigInt(-20_000n, 20_000n);
    assert(
      property(change, change, (lamports, tokens) => {
        for (const approved of [selling, buying]) {
          if (checkSimulatedChange({ before: state(), after: with_(lamports, tokens) }, approved).length > 0) continue;
          const sold = approved === selling;
          expect(lamports >= (sold ? -6_000n : -4_000n)).toBe(true);
          expect(tokens >= (sold ? 90n : -90n)).toBe(true);
        }
      }),
    );
  });
});
