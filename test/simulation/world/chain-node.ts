import { type Clock, CodedError, type Random } from "@bellwether/service-kit";
import { type Address, type Base64EncodedWireTransaction, type Commitment, getAddressEncoder } from "@solana/kit";
import { named, wallet } from "../../../runtimes/broker/src/testing/solana-proposals.ts";
import { systemProgram, tokenProgram } from "../../../runtimes/broker/src/venues/solana/program-addresses.ts";
import { RpcSource, type SignatureSearch } from "../../../runtimes/broker/src/venues/solana/rpc-source.ts";
import type { LandedTransaction } from "../../../runtimes/broker/src/venues/solana/settlement.ts";
import type { AccountStates } from "../../../runtimes/broker/src/venues/solana/wallet-state.ts";
import { type ChainFault, type ChainModel, finalAfter, slotMs, validSlots } from "./chain-model.ts";
import { bytesOf } from "./chain-wallet.ts";
import type { SimProcess } from "./sim-process.ts";

export const usdtMint = named(3);
const usdtAccount = named(2);
const rentLamports = 2_039_280n;
export const genesisHash = "the virtual chain";

/** Longer than the six seconds after which a node that stands still is found out. */
const frozenMs = 8_000;
/** Scaled like all else: at most 25 of the real chain's slots, where 32 make a block final. A source that is called late only beyond its own finality could name a blockhash's last height too low. */
const behindSlots = finalAfter - 1;
const behindMs = 10_000;
const downMs = 2_000;
const blindMs = 4_000;
const unanswered = 2_000;

/** One node of the chain: what it has seen, and what is wrong with it. It outlives the brokers that ask it. */
export class ChainNode {
  readonly #chain: ChainModel;
  readonly #clock: Clock;
  readonly #lag: number;
  #frozen: { readonly slot: number; readonly untilMs: number } | undefined;
  #behindUntilMs = 0;
  #downUntilMs = 0;
  #restartedSlot = 0;
  #blindUntilMs = 0;

  constructor(chain: ChainModel, clock: Clock, lag: number) {
    this.#chain = chain;
    this.#clock = clock;
    this.#lag = lag;
  }

  freeze(): void {
    this.#frozen = { slot: this.view, untilMs: this.#clock.nowMs() + frozenMs };
  }

  fallBehind(): void {
    this.#behindUntilMs = this.#clock.nowMs() + behindMs;
  }

  restart(): void {
    this.#downUntilMs = this.#clock.nowMs() + downMs;
    this.#blindUntilMs = this.#downUntilMs + blindMs;
    this.#restartedSlot = this.view;
  }

  get down(): boolean {
    return this.#clock.nowMs() < this.#downUntilMs;
  }

  /** Its newest slot. */
  get view(): number {
    const nowMs = this.#clock.nowMs();
    if (this.#frozen && nowMs < this.#frozen.untilMs) return this.#frozen.slot;
    return this.#chain.slot - this.#lag - (nowMs < this.#behindUntilMs ? behindSlots : 0);
  }

  /** A transaction in its own history. */
  seen(signature: string): ReturnType<ChainModel["seenAt"]> {
    const found = this.#chain.seenAt(signature, this.view);
    const forgotten = this.#clock.nowMs() < this.#blindUntilMs && found !== undefined && found.slot <= this.#restartedSlot;
    return forgotten ? undefined : found;
  }
}

export interface NodeLineOptions {
  readonly name: string;
  readonly node: ChainNode;
  readonly chain: ChainModel;
  readonly process: SimProcess;
  readonly random: Random;
  /** Told of bytes as they leave. */
  readonly onSending: (signature: string) => { readonly clientId: string; readonly fault: ChainFault | undefined };
}

/** A broker's connection to one node: production's own interface of an RPC endpoint, answered in the process and on the virtual clock. */
export class NodeLine extends RpcSource {
  readonly #options: NodeLineOptions;
  /** Signatures whose first sending it has met its fault at. */
  readonly #met = new Set<string>();

  constructor(options: NodeLineOptions) {
    super({ name: options.name, url: "http://node.test", timeoutMs: unanswered });
    this.#options = options;
  }

  override genesisHash(): Promise<string> {
    return this.#ask(() => genesisHash);
  }

  override slot(): Promise<number> {
    return this.#ask(({ view }) => view);
  }

  /** No slot is skipped: height and slot are the same. */
  override blockHeight(commitment: Commitment): Promise<bigint> {
    return this.#ask(({ view }) => BigInt(commitment === "finalized" ? view - finalAfter : view));
  }

  override finalized(): Promise<{ readonly slot: bigint; readonly height: bigint }> {
    return this.#ask(({ view }) => ({ slot: BigInt(view - finalAfter), height: BigInt(view - finalAfter) }));
  }

  /** Hashes are named after their slots. */
  override isBlockhashValid(blockhash: string): Promise<boolean> {
    return this.#ask(({ view }) => Number(blockhash) <= view && view <= Number(blockhash) + validSlots);
  }

  override recentPriorityFees(): Promise<readonly bigint[]> {
    return this.#ask(() => [1_000n, 2_000n, 3_000n]);
  }

  override accounts(addresses: readonly Address[]): Promise<AccountStates> {
    return this.#ask(({ view }) => {
      const { sol } = this.#options.chain.finalBalances(view - finalAfter);
      const account = { owner: systemProgram, lamports: sol, data: new Uint8Array() };
      return new Map(addresses.map((each) => [each, each === wallet ? account : undefined]));
    });
  }

  override tokenAccounts(): Promise<AccountStates> {
    return this.#ask(({ view }) => {
      const { usdt } = this.#options.chain.finalBalances(view - finalAfter);
      return new Map([[usdtAccount, { owner: tokenProgram, lamports: rentLamports, data: tokenData(usdt) }]]);
    });
  }

  override async send(wire: Base64EncodedWireTransaction): Promise<void> {
    const { chain, process, random, onSending } = this.#options;
    const { signature, program } = bytesOf(wire);
    process.requireAlive();
    const { clientId, fault } = onSending(signature);
    const first = !this.#met.has(signature);
    this.#met.add(signature);
    await this.#ask(() => {
      const lost = first && fault === "chain-reset" && random.next() < 0.5;
      if (!lost) chain.receive(signature, { clientId, program, fault });
    });
    if (first && (fault === "chain-reset" || fault === "chain-reply-lost")) {
      await process.clock.sleep(fault === "chain-reset" ? 1 : unanswered);
      throw unreachable(this.name, "sendTransaction");
    }
    process.pass("after-venue-accept");
  }

  override status(signature: string): Promise<SignatureSearch> {
    return this.#ask((node): SignatureSearch => {
      const seen = node.seen(signature);
      const searchedSlot = BigInt(node.view);
      if (!seen) return { searchedSlot };
      const depth = node.view - seen.slot;
      const commitment = depth >= finalAfter ? "finalized" : depth >= 2 ? "confirmed" : "processed";
      return { searchedSlot, status: { slot: BigInt(seen.slot), commitment, failed: seen.outcome.failed } };
    });
  }

  override landed(signature: string): Promise<LandedTransaction | undefined> {
    return this.#ask((node) => {
      const seen = node.seen(signature);
      const settled = this.#options.chain.settledOf(signature);
      if (!seen || !settled || node.view - seen.slot < finalAfter) return undefined;
      const { before, after } = settled;
      const tokens = (amount: bigint) => [{ accountIndex: 1, mint: usdtMint, owner: wallet, amount }];
      return {
        signature,
        slot: BigInt(seen.slot),
        timeMs: Math.floor((seen.slot * slotMs) / 1_000) * 1_000,
        failed: seen.outcome.failed,
        feeLamports: seen.outcome.feeLamports,
        accounts: [wallet, usdtAccount],
        preBalances: [before.sol, rentLamports],
        postBalances: [after.sol, rentLamports],
        preTokens: tokens(before.usdt),
        postTokens: tokens(after.usdt),
      };
    });
  }

  /** One question and its answer, a few milliseconds later: of what the node knows when the question arrives. */
  async #ask<T>(answer: (node: ChainNode) => T): Promise<T> {
    const { node, process, random } = this.#options;
    await process.clock.sleep(3 + random.next() * 25);
    if (node.down) throw unreachable(this.name, "anything");
    return answer(node);
  }
}

function unreachable(name: string, method: string): CodedError {
  return new CodedError("VENUE_UNREACHABLE", `${name} did not answer ${method}`);
}

const encoder = getAddressEncoder();
/** Mint, owner, amount, and that it is initialised: nothing delegated, nothing frozen. */
const tokenTemplate = new Uint8Array(165);
tokenTemplate.set(encoder.encode(usdtMint), 0);
tokenTemplate.set(encoder.encode(wallet), 32);
tokenTemplate[108] = 1;

function tokenData(amount: bigint): Uint8Array {
  const data = tokenTemplate.slice();
  new DataView(data.buffer).setBigUint64(64, amount, true);
  return data;
}
