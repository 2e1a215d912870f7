import type { Random } from "@bellwether/service-kit";
import type { Decimal } from "@bellwether/trading";
import { SignedTransactions } from "../../../runtimes/broker/src/journal/signed-transactions.ts";
import { solDecimals, wrappedSolMint } from "../../../runtimes/broker/src/venues/solana/program-addresses.ts";
import type { AttemptObservation } from "../../../runtimes/broker/src/venues/solana/resolve-attempt.ts";
import { RpcPool } from "../../../runtimes/broker/src/venues/solana/rpc-pool.ts";
import { type SolanaSettings, SolanaVenue } from "../../../runtimes/broker/src/venues/solana/solana-venue.ts";
import type { OpenVenue } from "../../../runtimes/broker/src/venues/venue.ts";
import { type ChainFault, type ChainModel, usdtDecimals } from "./chain-model.ts";
import { type ChainNode, NodeLine, genesisHash, usdtMint } from "./chain-node.ts";
import { WordSigner, computeUnits, openRouter } from "./chain-wallet.ts";
import type { SimProcess } from "./sim-process.ts";

const settings: SolanaSettings = {
  tokens: [
    { asset: "SOL", mint: wrappedSolMint, decimals: solDecimals },
    { asset: "USDT", mint: usdtMint, decimals: usdtDecimals },
  ],
  programs: new Set(),
  destinations: new Set(),
  slippageBps: 50,
  maxDeviationBps: 200,
  fees: {
    percentile: 75,
    maxMicroLamportsPerUnit: 1_000_000n,
    maxLamportsPerTransaction: 1_000_000n,
    dailyLamports: 1_000_000_000n,
  },
  maxComputeUnits: computeUnits,
  maxRentLamports: 0n,
};

export interface ChainLineOptions {
  readonly chain: ChainModel;
  readonly nodes: readonly ChainNode[];
  readonly process: SimProcess;
  readonly random: Random;
  readonly price: () => Decimal;
  readonly takeFault: () => ChainFault | undefined;
  /** The order whose bytes leave; told of each signature once. */
  readonly onPlacing: (signature: string) => string;
  /** A fault put in on purpose: gives a signature up, so that a new one may be signed, while it may still land. */
  readonly resignsEarly: boolean;
}

/** What a wallet's fault does to nodes and bytes, once for each signature; a fault outlives the broker that signed. */
export type SignedFaults = Map<string, { readonly clientId: string; readonly fault: ChainFault | undefined }>;

/** Production's venue for wallets, over nodes of the virtual chain. */
export function openChainLine(options: ChainLineOptions, faults: SignedFaults): OpenVenue {
  const { chain, nodes, process, random, price } = options;
  return async ({ accountUid, account, feed, journal, sendLog, clock, failPoints, log }) => {
    const onSending = (signature: string): { clientId: string; fault: ChainFault | undefined } => {
      const known = faults.get(signature);
      if (known && known.clientId !== "") return known;
      const placed = { clientId: options.onPlacing(signature), fault: known?.fault };
      faults.set(signature, placed);
      disturb(nodes, placed.fault);
      return placed;
    };
    const sources = nodes.map(
      (node, index) => new NodeLine({ name: `rpc-${index + 1}`, node, chain, process, random, onSending }),
    );
    const poolOptions = { sources, genesisHash, clock, log };
    const pool = options.resignsEarly ? new HastyPool(poolOptions) : new RpcPool(poolOptions);
    return new SolanaVenue({
      account,
      settings,
      pool,
      signer: new WordSigner(pool, (signature) => faults.set(signature, { clientId: "", fault: options.takeFault() })),
      swaps: openRouter({ chain, clock, random, price }),
      transactions: new SignedTransactions(journal, accountUid),
      journal,
      sendLog,
      feed,
      clock,
      failPoints,
      log,
    });
  };
}

/** The first node is ahead of all others, the last one is the one that loses its history: never two of them. */
function disturb(nodes: readonly ChainNode[], fault: ChainFault | undefined): void {
  if (fault === "frozen-slots") for (const node of nodes.slice(1)) node.freeze();
  if (fault === "source-behind") nodes[0]?.fallBehind();
  if (fault === "node-restart") nodes.at(-1)?.restart();
}

/** The mutant `early-resign`: takes any block for a final one, and asks nobody whether the signature has landed. */
class HastyPool extends RpcPool {
  override async observe(signature: string): Promise<readonly AttemptObservation[]> {
    const observations = await super.observe(signature);
    return observations.map(({ status: _unasked, ...observation }) => ({
      ...observation,
      finalizedHeight: observation.processedHeight,
      searchedSlot: observation.finalizedSlot,
    }));
  }
}
