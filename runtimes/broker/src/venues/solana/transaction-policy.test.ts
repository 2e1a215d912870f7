import type { Instruction } from "@solana/kit";
import { describe, expect, test } from "vitest";
import {
  instructions as does,
  maker,
  makerTokens,
  ownTokens,
  proposal,
  router,
  stranger,
  usdc,
  wallet,
} from "../../testing/solana-proposals.ts";
import { decodeTransaction } from "./decode-transaction.ts";
import { wrappedSolMint } from "./program-addresses.ts";
import { type PolicyViolation, type TransactionPolicy, checkTransaction, sayViolation } from "./transaction-policy.ts";

const policy: TransactionPolicy = {
  wallet,
  ownAccounts: new Map([[ownTokens, usdc]]),
  programs: new Set([router]),
  destinations: new Set([maker, makerTokens]),
  input: { mint: usdc, maximum: 100n },
  maxFeeLamports: 10_000n,
  maxComputeUnits: 200_000,
};
const selling: TransactionPolicy = { ...policy, input: { mint: wrappedSolMint, maximum: 100n } };

const verdict = (body: readonly Instruction[], held: TransactionPolicy = policy, payer = wallet) =>
  checkTransaction(decodeTransaction(proposal([does.limit(100_000), ...body], { payer }), new Map()), held).violations;
const own = { owner: wallet };

describe("a transaction is signed", () => {
  test.each<{ when: string; body: Instruction[]; held?: TransactionPolicy }>([
    {
      when: "it pays a known destination what is approved",
      body: [does.tokens(ownTokens, makerTokens, { ...own, amount: 100n })],
    },
    { when: "it pays in a checked transfer", body: [does.tokensChecked(ownTokens, makerTokens, { ...own, amount: 100n })] },
    { when: "it sends SOL to a known destination", body: [does.sol(wallet, maker, 100n)], held: selling },
    {
      when: "it opens, wraps into, and closes the wallet's own account",
      body: [does.open(wallet), does.sol(wallet, ownTokens, 5_000n), does.token(17), does.close(wallet)],
    },
    { when: "it calls an allowed program", body: [does.call(router, [ownTokens])] },
  ])("when $when", ({ body, held }) => {
    expect(verdict(body, held)).toEqual([]);
  });
});

describe("a transaction is refused", () => {
  test.each<{ when: string; body: Instruction[]; held?: TransactionPolicy; reason: PolicyViolation["reason"] }>([
    {
      when: "it pays somebody unknown in SOL",
      body: [does.sol(wallet, stranger, 1n)],
      held: selling,
      reason: "DESTINATION_UNKNOWN",
    },
    {
      when: "it pays somebody unknown in tokens",
      body: [does.tokens(ownTokens, stranger, { ...own, amount: 1n })],
      reason: "DESTINATION_UNKNOWN",
    },
    {
      when: "a delegate takes from the wallet's account",
      body: [does.tokens(ownTokens, stranger, { owner: stranger, amount: 1n })],
      reason: "DESTINATION_UNKNOWN",
    },
    {
      when: "two transfers together pass the input",
      body: [
        does.tokens(ownTokens, makerTokens, { ...own, amount: 60n }),
        does.tokensChecked(ownTokens, makerTokens, { ...own, amount: 41n }),
      ],
      reason: "INPUT_EXCEEDED",
    },
    { when: "it spends another asset than the approved one", body: [does.sol(wallet, maker, 1n)], reason: "ASSET_NOT_APPROVED" },
    { when: "it calls an unknown program", body: [does.call(stranger)], reason: "PROGRAM_NOT_ALLOWED" },
    {
      when: "it lets somebody else sign for tokens",
      body: [does.token(4, [1, 0, 0, 0, 0, 0, 0, 0])],
      reason: "INSTRUCTION_FORBIDDEN",
    },
    {
      when: "it gives an account away",
      body: [does.token(6, [2, 1, ...Array<number>(32).fill(6)])],
      reason: "INSTRUCTION_FORBIDDEN",
    },
    { when: "it burns", body: [does.token(8, [1, 0, 0, 0, 0, 0, 0, 0])], reason: "INSTRUCTION_FORBIDDEN" },
    { when: "it would live for ever by a nonce", body: [does.system(4)], reason: "INSTRUCTION_FORBIDDEN" },
    { when: "it assigns the wallet to a program", body: [does.system(1)], reason: "INSTRUCTION_FORBIDDEN" },
    { when: "it creates an account by hand", body: [does.system(0)], reason: "INSTRUCTION_FORBIDDEN" },
    { when: "it has an unknown instruction of a known program", body: [does.token(77)], reason: "INSTRUCTION_FORBIDDEN" },
    { when: "it closes an account to somebody else", body: [does.close(stranger)], reason: "DESTINATION_UNKNOWN" },
    {
      when: "it opens an account for somebody else at the wallet's cost",
      body: [does.open(stranger)],
      reason: "ACCOUNT_OF_ANOTHER",
    },
    { when: "it costs too much", body: [does.price(1_000_000n)], reason: "FEE_EXCEEDED" },
    { when: "it may compute too much", body: [], held: { ...policy, maxComputeUnits: 99_999 }, reason: "COMPUTE_LIMIT_EXCEEDED" },
    { when: "another one who has not signed has to", body: [does.sol(maker, wallet, 1n)], reason: "SIGNATURE_MISSING" },
  ])("when $when", ({ body, held, reason }) => {
    const violations = verdict(body, held);
    expect(violations.map((violation) => violation.reason)).toContain(reason);
    for (const violation of violations) expect(sayViolation(violation)).toContain(violation.reason);
  });

  test("when it has no compute limit", () => {
    const { violations } = checkTransaction(decodeTransaction(proposal([does.sol(wallet, maker, 1n)]), new Map()), selling);
    expect(violations).toEqual([{ reason: "COMPUTE_LIMIT_MISSING" }]);
  });

  test("when somebody else pays the fee and so owns its signature", () => {
    expect(verdict([], policy, maker).map(({ reason }) => reason)).toEqual(["FEE_PAYER_NOT_WALLET", "SIGNATURE_MISSING"]);
  });

  test("with every violation told, not the first one only", () => {
    const violations = verdict([does.sol(wallet, stranger, 7n), does.call(usdc), does.price(1_000_000n)]);
    expect(violations.map(({ reason }) => reason).toSorted()).toEqual([
      "ASSET_NOT_APPROVED",
      "DESTINATION_UNKNOWN",
      "FEE_EXCEEDED",
      "PROGRAM_NOT_ALLOWED",
    ]);
    expect(violations).toContainEqual({ reason: "FEE_EXCEEDED", lamports: 105_000n, maximum: 10_000n });
  });
});
