import type { Address } from "@solana/kit";

/** What a swap shall move, in minor units. Mints: wrapped SOL's stands for SOL. */
export interface SwapRequest {
  readonly input: Address;
  readonly output: Address;
  /** Of the input for `ExactIn`, of the output for `ExactOut`. */
  readonly amount: bigint;
  readonly mode: "ExactIn" | "ExactOut";
  readonly slippageBps: number;
}

export interface SwapQuote {
  readonly inputAmount: bigint;
  readonly outputAmount: bigint;
  /** The worst that the proposer's transaction should allow: least output, or most input. Checked, not believed. */
  readonly threshold: bigint;
  /** As the proposer sent it; handed back to it. */
  readonly raw: unknown;
}

export interface ProposedTransaction {
  /** On the wire, without the wallet's signature. Whoever else has to sign has signed. */
  readonly bytes: Uint8Array;
}

/**
 * Where swaps come from. An adapter proposes; what it proposes is decoded, checked and simulated before it is signed, so that an adapter is trusted with
 * nothing but prices within the order's limits. Both calls throw SWAP_REFUSED (it says no) or VENUE_UNREACHABLE; neither changes anything on chain.
 */
export interface SwapAdapter {
  readonly name: string;
  quote(request: SwapRequest, signal: AbortSignal): Promise<SwapQuote>;
  propose(
    proposal: { readonly quote: SwapQuote; readonly wallet: Address; readonly microLamportsPerUnit: bigint },
    signal: AbortSignal,
  ): Promise<ProposedTransaction>;
}
