import { createHash } from "node:crypto";
import { type Address, type EncodedAccount, type Signature, getBase58Decoder, lamports } from "@solana/kit";
import { FailedTransactionMetadata, LiteSVM, type TransactionMetadata } from "litesvm";
import { type TokenAccount, decodeTokenAccount, systemProgram } from "./accounts.ts";
import { transactionError } from "./transaction-error.ts";
import { type WireTransaction, decodeWireTransaction, feeOf } from "./wire-transaction.ts";

export interface ChainOptions {
  /** Wall time, epoch milliseconds: block times. */
  now(): number;
  /** Two chains with different names have different genesis hashes. */
  readonly name?: string;
  /** Blocks above a confirmed one, and above a finalized one. As on mainnet unless given: 2 and 32. */
  readonly confirmedDepth?: number;
  readonly finalizedDepth?: number;
  /** A blockhash is good for this many blocks after its own. */
  readonly validBlocks?: number;
  /** Every n-th slot has no block, so that nobody takes a slot for a height. */
  readonly skipEvery?: number;
}

export interface Block {
  readonly slot: number;
  readonly height: number;
  readonly hash: string;
  readonly timeMs: number;
  readonly transactions: LandedTransaction[];
  /** State of each touched account before this block; undefined where there was none. */
  readonly before: Map<Address, EncodedAccount | undefined>;
}

export interface TokenBalance extends TokenAccount {
  readonly accountIndex: number;
}

/** A transaction in a block, with what `getTransaction` tells of it. */
export interface LandedTransaction {
  readonly wire: WireTransaction;
  readonly slot: number;
  readonly err: unknown;
  readonly fee: bigint;
  readonly accounts: readonly Address[];
  readonly loaded: { readonly writable: readonly Address[]; readonly readonly: readonly Address[] };
  readonly preBalances: readonly bigint[];
  readonly postBalances: readonly bigint[];
  readonly preTokens: readonly TokenBalance[];
  readonly postTokens: readonly TokenBalance[];
  readonly logs: readonly string[];
  readonly units: bigint;
}

interface Waiting {
  readonly wire: WireTransaction;
  readonly notBeforeSlot: number;
  /** Waits for the last block that its blockhash allows. */
  readonly atLastMoment: boolean;
}

export interface Simulation {
  readonly err: unknown;
  readonly logs: readonly string[];
  readonly units: bigint;
  account(address: Address): EncodedAccount | undefined;
}

const firstSlot = 1_000;
const firstHeight = 900;
const mostWaiting = 10_000;
/** Older ones are forgotten: five hours at 0.4 s. */
const mostBlocks = 45_000;
const base58 = getBase58Decoder();

/**
 * One chain over a real SVM: slots, blocks, heights, blockhashes that expire, forks, and a pool of transactions that land when the test says.
 *
 * LiteSVM executes; what a bank does around it is here. Each block keeps the state before it of every account it touched: that gives the state at any
 * earlier block (commitments, endpoints that lag or stand still) and takes a block back when a fork drops it.
 */
export class Chain {
  readonly genesisHash: string;
  readonly confirmedDepth: number;
  readonly finalizedDepth: number;
  readonly validBlocks: number;
  /** Transactions wait in the pool and none lands. */
  censoring = false;
  readonly blocks: Block[] = [];
  readonly #options: ChainOptions;
  readonly #svm: LiteSVM;
  readonly #landed = new Map<Signature, LandedTransaction>();
  readonly #waiting = new Map<Signature, Waiting>();
  readonly #listeners = new Set<(event: ChainEvent) => void>();
  #slot = firstSlot;
  #forks = 0;
  /** Height of the newest block that has ever been finalized. */
  #rootHeight = 0;
  #holds: ("last-moment" | number)[] = [];

  constructor(options: ChainOptions) {
    this.#options = options;
    this.confirmedDepth = options.confirmedDepth ?? 2;
    this.finalizedDepth = options.finalizedDepth ?? 32;
    this.validBlocks = options.validBlocks ?? 150;
    this.genesisHash = hashOf("genesis", options.name ?? "local");
    // Signatures and age are checked here: LiteSVM knows neither blocks nor forks.
    this.#svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n);
    this.#append(firstHeight);
    for (let count = 0; count < this.finalizedDepth; count += 1) this.advance();
  }

  get tip(): Block {
    return this.blocks.at(-1)!;
  }

  get slot(): number {
    return this.#slot;
  }

  onEvent(listener: (event: ChainEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Lets slots pass; those that are not skipped get a block with what is due in the pool. */
  advance(slots = 1): void {
    for (let count = 0; count < slots; count += 1) {
      this.#slot += 1;
      if (this.#slot % (this.#options.skipEvery ?? 20) === 7) continue;
      const block = this.#append(this.tip.height + 1);
      this.#include(block);
      this.#emit({ kind: "block", block });
    }
  }

  /** The last `count` blocks never were: another fork won. Their transactions wait again when `keepTransactions` says so, or are forgotten. */
  fork(count: number, keepTransactions = false): readonly Signature[] {
    // Also by several forks, one after the other.
    if (this.tip.height - count < this.#rootHeight || count >= this.blocks.length)
      throw new Error(`a fork of ${count} blocks would take back what is finalized`);
    const lost: Signature[] = [];
    this.#forks += 1;
    for (const block of this.blocks.splice(-count).toReversed()) {
      for (const [address, account] of block.before) this.#restore(address, account);
      for (const { wire } of block.transactions) {
        this.#landed.delete(wire.signature);
        lost.push(wire.signature);
        if (keepTransactions) this.#waiting.set(wire.signature, { wire, notBeforeSlot: this.#slot + 1, atLastMoment: false });
      }
    }
    this.advance();
    return lost;
  }

  /** What the next transactions that arrive wait for: so many slots, or the last block their blockhash allows. */
  hold(...until: readonly ("last-moment" | number)[]): void {
    this.#holds.push(...until);
  }

  /** Takes a transaction into the pool; one that is there or has landed stays what it is. */
  submit(bytes: Uint8Array): Signature {
    const wire = decodeWireTransaction(bytes);
    const { signature } = wire;
    if (this.#landed.has(signature) || this.#waiting.has(signature)) return signature;
    if (this.#waiting.size >= mostWaiting) throw new Error("the pool is full");
    const hold = this.#holds.shift();
    const notBeforeSlot = this.#slot + (typeof hold === "number" ? hold : 1);
    this.#waiting.set(signature, { wire, notBeforeSlot, atLastMoment: hold === "last-moment" });
    return signature;
  }

  get waiting(): readonly Signature[] {
    return [...this.#waiting.keys()];
  }

  landed(signature: Signature): LandedTransaction | undefined {
    return this.#landed.get(signature);
  }

  /** Height up to which a transaction with this blockhash may land; undefined for a hash that is on no block of this fork. */
  lastValidHeight(blockhash: string): number | undefined {
    const block = this.blocks.findLast(({ hash }) => hash === blockhash);
    return block && block.height + this.validBlocks;
  }

  /** The last block at or below a slot. */
  blockAt(slot: number): Block {
    return this.blocks.findLast((block) => block.slot <= slot) ?? this.blocks[0]!;
  }

  /** The block `depth` blocks below `block`. */
  below(block: Block, depth: number): Block {
    const index = this.blocks.lastIndexOf(block);
    return this.blocks[Math.max(0, index - depth)]!;
  }

  /** An account as it was after `block`. */
  account(address: Address, block: Block = this.tip): EncodedAccount | undefined {
    for (const later of this.blocks.slice(this.blocks.lastIndexOf(block) + 1))
      if (later.before.has(address)) return later.before.get(address);
    return this.#current(address);
  }

  /** Token accounts of an owner, as they were after `block`. */
  tokenAccounts(owner: Address, block: Block = this.tip): readonly EncodedAccount[] {
    const addresses = new Set<Address>();
    for (const token of this.#svm.getProgramAccounts("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA" as Address))
      addresses.add(token.address);
    for (const later of this.blocks.slice(this.blocks.lastIndexOf(block) + 1))
      for (const touched of later.before.keys()) addresses.add(touched);
    return [...addresses]
      .flatMap((candidate) => this.account(candidate, block) ?? [])
      .filter(({ programAddress, data }) => decodeTokenAccount(programAddress, data as Uint8Array)?.owner === owner);
  }

  /** Puts an account into the state as it stands: a faucet, a mint, a pool. Not part of any block. */
  setAccount(account: EncodedAccount): void {
    this.#svm.setAccount(account);
  }

  minimumBalance(bytes: number): bigint {
    return this.#svm.minimumBalanceForRentExemption(BigInt(bytes));
  }

  /** Runs a transaction on the state after `block` without keeping anything. */
  simulate(wire: WireTransaction, block: Block): Simulation {
    const later = new Set(this.blocks.slice(this.blocks.lastIndexOf(block) + 1).flatMap(({ before }) => [...before.keys()]));
    const newest = new Map([...later].map((address) => [address, this.#current(address)]));
    for (const address of later) this.#restore(address, this.account(address, block));
    this.#svm.withSigverify(false);
    try {
      const result = this.#svm.simulateTransaction(wire.transaction);
      const failed = result instanceof FailedTransactionMetadata;
      const meta = result.meta();
      const after = new Map(failed ? [] : result.postAccounts().map((account) => [account.address, account]));
      return {
        err: failed ? transactionError(result.err()) : null,
        logs: meta.logs(),
        units: meta.computeUnitsConsumed(),
        account: (address) => existing(after.get(address)) ?? (after.has(address) ? undefined : this.account(address, block)),
      };
    } finally {
      this.#svm.withSigverify(true);
      for (const [address, account] of newest) this.#restore(address, account);
    }
  }

  /** Addresses that lookup tables bring in. Throws when a table or an entry is missing. */
  loadedAddresses(wire: WireTransaction): LandedTransaction["loaded"] {
    const pick = (kind: "writable" | "readonly"): Address[] =>
      wire.lookups.flatMap((lookup) => lookup[kind].map((index) => this.#tableEntry(lookup.table, index)));
    return { writable: pick("writable"), readonly: pick("readonly") };
  }

  #tableEntry(table: Address, index: number): Address {
    const data = this.#current(table)?.data as Uint8Array | undefined;
    const start = 56 + 32 * index;
    if (!data || data.length < start + 32) throw new Error(`lookup table ${table} has no entry ${index}`);
    return base58.decode(data.subarray(start, start + 32)) as Address;
  }

  #append(height: number): Block {
    const hash = hashOf(this.genesisHash, String(this.#slot), String(height), String(this.#forks));
    const block = { slot: this.#slot, height, hash, timeMs: this.#options.now(), transactions: [], before: new Map() };
    this.blocks.push(block);
    this.#rootHeight = Math.max(this.#rootHeight, height - this.finalizedDepth);
    if (this.blocks.length > mostBlocks) this.blocks.splice(0, mostBlocks / 10);
    const clock = this.#svm.getClock();
    clock.slot = BigInt(this.#slot);
    clock.unixTimestamp = BigInt(Math.floor(block.timeMs / 1_000));
    this.#svm.setClock(clock);
    return block;
  }

  #include(block: Block): void {
    for (const [signature, entry] of this.#waiting) {
      const lastValid = this.lastValidHeight(entry.wire.blockhash);
      if (lastValid === undefined || block.height > lastValid) {
        this.#waiting.delete(signature);
        continue;
      }
      const due = entry.atLastMoment ? block.height === lastValid : entry.notBeforeSlot <= block.slot;
      if (this.censoring || !due) continue;
      this.#waiting.delete(signature);
      const landed = this.#execute(entry.wire, block);
      if (landed) this.#landed.set(signature, landed);
    }
  }

  /** Undefined: the bank refuses to take it into a block at all, and no fee is paid. */
  #execute(wire: WireTransaction, block: Block): LandedTransaction | undefined {
    let loaded: LandedTransaction["loaded"];
    try {
      loaded = this.loadedAddresses(wire);
    } catch {
      return undefined;
    }
    const accounts = [...wire.staticAccounts, ...loaded.writable, ...loaded.readonly];
    const before = new Map([...wire.writable, ...loaded.writable].map((address) => [address, this.#current(address)]));
    const pre = this.#balances(accounts);
    const result: TransactionMetadata | FailedTransactionMetadata = this.#svm.sendTransaction(wire.transaction);
    const failed = result instanceof FailedTransactionMetadata;
    const meta = failed ? result.meta() : result;
    const post = this.#balances(accounts);
    if (failed && post.lamports[0] === pre.lamports[0]) return undefined;
    for (const [address, account] of before) if (!block.before.has(address)) block.before.set(address, account);
    const landed: LandedTransaction = {
      wire,
      slot: block.slot,
      err: failed ? transactionError(result.err()) : null,
      fee: failed ? pre.lamports[0]! - post.lamports[0]! : feeOf(wire),
      accounts,
      loaded,
      preBalances: pre.lamports,
      postBalances: post.lamports,
      preTokens: pre.tokens,
      postTokens: post.tokens,
      logs: meta.logs(),
      units: meta.computeUnitsConsumed(),
    };
    block.transactions.push(landed);
    return landed;
  }

  #balances(accounts: readonly Address[]): { lamports: bigint[]; tokens: TokenBalance[] } {
    const found = accounts.map((address) => this.#current(address));
    return {
      lamports: found.map((account) => BigInt(account?.lamports ?? 0n)),
      tokens: found.flatMap((account, accountIndex) => {
        const token = account && decodeTokenAccount(account.programAddress, account.data as Uint8Array);
        return token ? [{ ...token, accountIndex }] : [];
      }),
    };
  }

  #current(address: Address): EncodedAccount | undefined {
    const account = this.#svm.getAccount(address);
    return account.exists ? existing(account) : undefined;
  }

  #restore(address: Address, account: EncodedAccount | undefined): void {
    const empty = { executable: false, lamports: lamports(0n), programAddress: systemProgram, space: 0n, data: new Uint8Array() };
    this.#svm.setAccount(account ?? { address, ...empty });
  }

  #emit(event: ChainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

export interface ChainEvent {
  readonly kind: "block";
  readonly block: Block;
}

/** An account without lamports is no account. */
function existing(account: EncodedAccount | undefined): EncodedAccount | undefined {
  return account && account.lamports > 0n ? account : undefined;
}

function hashOf(...parts: readonly string[]): string {
  return base58.decode(createHash("sha256").update(parts.join("|")).digest());
}
