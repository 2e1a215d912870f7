import { createHash } from "node:crypto";
import { type Clock, CodedError, type Random } from "@bellwether/service-kit";
import { type Decimal } from "@bellwether/trading";
import type { Base64EncodedWireTransaction } from "@solana/kit";
import { wallet } from "../../../runtimes/broker/src/testing/solana-proposals.ts";
import { feeOf } from "../../../runtimes/broker/src/venues/solana/priority-fee.ts";
import { wrappedSolMint } from "../../../runtimes/broker/src/venues/solana/program-addresses.ts";
import type { RpcPool } from "../../../runtimes/broker/src/venues/solana/rpc-pool.ts";
import { type Approval, type CheckedTransaction, Signer } from "../../../runtimes/broker/src/venues/solana/signer.ts";
import type { SwapAdapter, SwapRequest } from "../../../runtimes/broker/src/venues/solana/swap-adapter.ts";
import { type ChainModel, type SwapProgram, quoteOf, validSlots } from "./chain-model.ts";

const bps = 10_000n;
export const computeUnits = 200_000;

/** Bytes of the virtual chain: the program in words, and a number that makes each of them another. */
export function bytesOf(wire: Base64EncodedWireTransaction | string): {
  readonly signature: string;
  readonly program: SwapProgram;
} {
  const text = Buffer.from(wire, "base64").toString();
  const { side, base, quoteBound, feeLamports, slot } = JSON.parse(text) as Record<keyof SwapProgram, string>;
  return {
    signature: createHash("sha256").update(text).digest("hex"),
    program: {
      side: side === "buy" ? "buy" : "sell",
      base: BigInt(base),
      quoteBound: BigInt(quoteBound),
      feeLamports: BigInt(feeLamports),
      slot: Number(slot),
    },
  };
}

export interface RouterOptions {
  readonly chain: ChainModel;
  readonly clock: Clock;
  readonly random: Random;
  readonly price: () => Decimal;
}

/** Where swaps come from: quotes at the market's price, and bytes that hold to their quote within its slippage. */
export function openRouter({ chain, clock, random, price }: RouterOptions): SwapAdapter {
  const pause = (): Promise<void> => clock.sleep(5 + random.next() * 40);
  return {
    name: "router",
    async quote(request) {
      await pause();
      const { side, base } = sideOf(request);
      const quote = quoteOf({ side, base }, price());
      const slack = (quote * BigInt(request.slippageBps)) / bps;
      return side === "buy"
        ? { inputAmount: quote, outputAmount: base, threshold: quote + slack, raw: request }
        : { inputAmount: base, outputAmount: quote, threshold: quote - slack, raw: request };
    },
    async propose({ quote, microLamportsPerUnit }) {
      await pause();
      const { side, base } = sideOf(quote.raw as SwapRequest);
      const feeLamports = feeOf({ signatures: 1, computeUnits, microLamportsPerUnit });
      const text = JSON.stringify({
        side,
        base: String(base),
        quoteBound: String(quote.threshold),
        feeLamports: String(feeLamports),
        slot: chain.slot,
        nonce: random.next(),
      });
      return { bytes: new Uint8Array(Buffer.from(text)) };
    },
  };
}

function sideOf({ input, amount }: SwapRequest): { side: "buy" | "sell"; base: bigint } {
  return { side: input === wrappedSolMint ? "sell" : "buy", base: amount };
}

/**
 * Signs what the virtual chain runs. Decoding and checking real instructions is left to their own tests, over a real SVM; kept is what decides about money here: a
 * bound beyond the approval is refused, and the last height of the blockhash is counted as production counts it.
 */
export class WordSigner extends Signer {
  readonly #pool: RpcPool;
  readonly #onSigned: (signature: string) => void;

  constructor(pool: RpcPool, onSigned: (signature: string) => void) {
    super({ address: wallet, keyPair: undefined as never }, pool);
    this.#pool = pool;
    this.#onSigned = onSigned;
  }

  override async sign(proposed: Uint8Array, { input, output, maxFeeLamports }: Approval): Promise<CheckedTransaction> {
    const wire = Buffer.from(proposed).toString("base64") as Base64EncodedWireTransaction;
    const { signature, program } = bytesOf(wire);
    const { side, base, quoteBound, feeLamports, slot } = program;
    const [takes, brings] = side === "buy" ? [quoteBound, base] : [base, quoteBound];
    if (takes > input.maximum || brings < (output?.minimum ?? 0n) || feeLamports > maxFeeLamports)
      throw new CodedError("TRANSACTION_REFUSED", "a transaction is not signed: it may take more or bring less than is approved");
    const lastValidBlockHeight = await this.#pool.read(async (source) => {
      if (!(await source.isBlockhashValid(String(slot))))
        throw new CodedError("TRANSACTION_REFUSED", "its blockhash is unknown or has expired");
      return (await source.blockHeight("processed")) + BigInt(validSlots);
    });
    this.#onSigned(signature);
    return { wire, bytes: proposed, signature, blockhash: String(slot), lastValidBlockHeight, feeLamports, writable: [] };
  }
}
