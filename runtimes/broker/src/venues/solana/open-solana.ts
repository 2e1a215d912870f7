import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, CodedError, type Logger } from "@bellwether/service-kit";
import { parseDecimal } from "@bellwether/trading";
import { address } from "@solana/kit";
import type { PythReferenceConfig, SolanaAccountConfig } from "../../config.ts";
import type { BrokerErrorCode } from "../../errors.ts";
import { SignedTransactions } from "../../journal/signed-transactions.ts";
import type { OpenVenue } from "../venue.ts";
import { type HttpFetch, Jupiter } from "./jupiter.ts";
import { parseKeypair } from "./keypair.ts";
import { PythReference } from "./pyth-reference.ts";
import { RpcPool } from "./rpc-pool.ts";
import { RpcSource } from "./rpc-source.ts";
import { Signer } from "./signer.ts";
import { type SolanaSettings, SolanaVenue } from "./solana-venue.ts";

const rpcTimeoutMs = 2_000;

export interface OpenSolanaOptions {
  readonly account: SolanaAccountConfig;
  /** Where an oracle's prices stand, when the account is checked by one. */
  readonly pyth?: PythReferenceConfig | undefined;
  readonly fetch: HttpFetch;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OpenedSolana {
  readonly openVenue: OpenVenue;
  readonly reference?: PythReference;
}

/**
 * The venue of a Solana wallet, and the oracle it is checked by; both ask the same RPC sources. The keypair is read once, from its mounted file.
 *
 * @throws CodedError KEYPAIR_INVALID
 */
export async function openSolana({ account, pyth, fetch, clock, log }: OpenSolanaOptions): Promise<OpenedSolana> {
  const wallet = await parseKeypair(readKeypair(account.credentialsDirectory));
  const sources = account.rpcUrls.map((url, index) => new RpcSource({ name: `rpc-${index + 1}`, url, timeoutMs: rpcTimeoutMs }));
  const pool = new RpcPool({ sources, genesisHash: account.genesisHash, clock, log });
  const openVenue: OpenVenue = async ({ accountUid, account: name, feed, journal, sendLog, failPoints }) =>
    new SolanaVenue({
      account: name,
      settings: settingsOf(account),
      pool,
      signer: new Signer(wallet, pool),
      swaps: new Jupiter({ baseUrl: account.swap.baseUrl, fetch }),
      transactions: new SignedTransactions(journal, accountUid),
      journal,
      sendLog,
      feed,
      clock,
      failPoints,
      log,
    });
  if (!pyth) return { openVenue };
  const accounts = new Map(pyth.accounts.map((row) => [row.market, address(row.address)]));
  const limits = { maxAgeMs: pyth.maxAgeMs, maxConfidenceRatio: parseDecimal(pyth.maxConfidenceRatio) };
  return { openVenue, reference: new PythReference({ accounts, limits, pool, clock, log }) };
}

function readKeypair(directory: string): string {
  try {
    return readFileSync(join(directory, "keypair"), "utf8");
  } catch {
    // The reason would name a path of the pod, which helps nobody who holds the Secret.
    throw new CodedError<BrokerErrorCode>("KEYPAIR_INVALID", "the Secret has no key `keypair`");
  }
}

function settingsOf({
  tokens,
  programAllowList,
  destinations,
  swap,
  fees,
  maxComputeUnits,
  maxRentLamports,
}: SolanaAccountConfig): SolanaSettings {
  return {
    tokens: tokens.map(({ asset, mint, decimals }) => ({ asset, mint: address(mint), decimals })),
    programs: new Set(programAllowList.map((program) => address(program))),
    destinations: new Set(destinations.map((destination) => address(destination))),
    slippageBps: swap.slippageBps,
    maxDeviationBps: swap.maxDeviationBps,
    fees: {
      percentile: fees.percentile,
      maxMicroLamportsPerUnit: BigInt(fees.maxPriorityFeeMicroLamports),
      maxLamportsPerTransaction: BigInt(fees.maxFeeLamportsPerTransaction),
      dailyLamports: BigInt(fees.dailyFeeLamports),
    },
    maxComputeUnits,
    maxRentLamports: BigInt(maxRentLamports),
  };
}
