import type { Address } from "@solana/kit";
import { wrappedSolMint } from "./program-addresses.ts";
import { type WalletState, holdingOf } from "./wallet-state.ts";

/** What a transaction may do to the wallet, whatever its instructions say. Minor units; wrapped SOL's mint stands for SOL. */
export interface ApprovedChange {
  readonly input: { readonly mint: Address; readonly maximum: bigint };
  /** Absent for a transfer: nothing comes back. */
  readonly output?: { readonly mint: Address; readonly minimum: bigint };
  readonly feeLamports: bigint;
  /** Most that may be locked in new token accounts. */
  readonly maxRentLamports: bigint;
}

export type ChangeViolation =
  | { readonly reason: "INPUT_EXCEEDED"; readonly mint: Address; readonly amount: bigint; readonly maximum: bigint }
  | { readonly reason: "OUTPUT_BELOW_MINIMUM"; readonly mint: Address; readonly amount: bigint; readonly minimum: bigint }
  | { readonly reason: "RENT_EXCEEDED"; readonly lamports: bigint; readonly maximum: bigint }
  | { readonly reason: "ASSET_LOST"; readonly mint: Address; readonly amount: bigint }
  | { readonly reason: "WALLET_TAKEN_OVER" }
  | { readonly reason: "DELEGATE_CHANGED"; readonly account: Address }
  | { readonly reason: "CLOSE_AUTHORITY_CHANGED"; readonly account: Address }
  | { readonly reason: "OWNER_CHANGED"; readonly account: Address };

export interface SimulatedChange {
  /** The wallet before, and after the simulation, which has taken the fee. */
  readonly before: WalletState;
  readonly after: WalletState;
}

/**
 * The verdict on a simulation: pure. This is the check that binds programs whose instructions cannot be read: whatever they do, the wallet may lose at most the
 * input, fee and rent, must gain the output, and nobody may get a say over its accounts.
 */
export function checkSimulatedChange(
  { before, after }: SimulatedChange,
  { input, output, feeLamports, maxRentLamports }: ApprovedChange,
): readonly ChangeViolation[] {
  const violations: ChangeViolation[] = [];
  const rent = after.rentLamports - before.rentLamports;
  if (rent > maxRentLamports) violations.push({ reason: "RENT_EXCEEDED", lamports: rent, maximum: maxRentLamports });
  // A simulation takes the fee off the payer, as the execution will.
  const costLamports = feeLamports + rent;
  const mints = new Set([wrappedSolMint, input.mint, ...(output ? [output.mint] : []), ...before.tokens.keys()]);
  for (const mint of mints) {
    const change = holdingOf(after, mint) - holdingOf(before, mint) + (mint === wrappedSolMint ? costLamports : 0n);
    if (mint === input.mint) {
      if (-change > input.maximum) violations.push({ reason: "INPUT_EXCEEDED", mint, amount: -change, maximum: input.maximum });
    } else if (output && mint === output.mint) {
      if (change < output.minimum)
        violations.push({ reason: "OUTPUT_BELOW_MINIMUM", mint, amount: change, minimum: output.minimum });
    } else if (change < 0n) violations.push({ reason: "ASSET_LOST", mint, amount: -change });
  }
  return [...violations, ...checkControl(before, after)];
}

/** Nobody else may come to dispose of the wallet or of an account of its own. */
function checkControl(before: WalletState, after: WalletState): readonly ChangeViolation[] {
  const violations: ChangeViolation[] = [];
  if (!after.plain) violations.push({ reason: "WALLET_TAKEN_OVER" });
  const then = new Map(before.accounts.map((account) => [account.address, account]));
  const now = new Map(after.accounts.map((account) => [account.address, account]));
  for (const account of now.values()) {
    const earlier = then.get(account.address);
    if (account.delegate !== earlier?.delegate) violations.push({ reason: "DELEGATE_CHANGED", account: account.address });
    if (account.closeAuthority !== earlier?.closeAuthority)
      violations.push({ reason: "CLOSE_AUTHORITY_CHANGED", account: account.address });
  }
  // An account that is not the wallet's any more: closed with nothing in it, or given away.
  for (const account of then.values())
    if (!now.has(account.address) && account.amount > 0n && account.mint !== wrappedSolMint)
      violations.push({ reason: "OWNER_CHANGED", account: account.address });
  return violations;
}
