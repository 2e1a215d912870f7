import { type Address, address } from "@solana/kit";

/** The programs whose every instruction is decoded here. What they do to a wallet is known, so that they need not stand in an allow-list. */
export const systemProgram = address("11111111111111111111111111111111");
export const tokenProgram = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
export const associatedTokenProgram = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
export const computeBudgetProgram = address("ComputeBudget111111111111111111111111111111");

/** Native SOL goes under this mint wherever a mint is asked for. */
export const wrappedSolMint = address("So11111111111111111111111111111111111111112");

export const solDecimals = 9;
export const lamportsPerSignature = 5_000n;

/** An asset that the account trades: native SOL (under {@link wrappedSolMint}) or an SPL token. */
export interface SolanaToken {
  /** Code in markets and balances, such as SOL or USDC. */
  readonly asset: string;
  readonly mint: Address;
  /** Decimals of its minor unit: lamports of SOL have 9. */
  readonly decimals: number;
}
