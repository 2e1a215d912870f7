import { CodedError, hasCode } from "@bellwether/service-kit";
import {
  type Address,
  type Base64EncodedWireTransaction,
  getAddressEncoder,
  getBase64EncodedWireTransaction,
  getProgramDerivedAddress,
  getPublicKeyFromAddress,
  getSignatureFromTransaction,
  partiallySignTransaction,
  verifySignature,
} from "@solana/kit";
import type { BrokerErrorCode } from "../../errors.ts";
import {
  type DecodedTransaction,
  type LookupTables,
  decodeTransaction,
  lookupTableAddresses,
  lookupTablesOf,
} from "./decode-transaction.ts";
import type { Wallet } from "./keypair.ts";
import { associatedTokenProgram, tokenProgram } from "./program-addresses.ts";
import type { RpcPool } from "./rpc-pool.ts";
import type { RpcSource, SimulationResult } from "./rpc-source.ts";
import { type ApprovedChange, checkSimulatedChange } from "./simulated-changes.ts";
import { type TransactionPolicy, checkTransaction, sayViolation } from "./transaction-policy.ts";
import { type AccountStates, type WalletState, walletState } from "./wallet-state.ts";

/** Bytes that were checked, simulated and signed; nothing of them has left. */
export interface CheckedTransaction {
  readonly wire: Base64EncodedWireTransaction;
  readonly bytes: Uint8Array;
  readonly signature: string;
  readonly blockhash: string;
  /** Never too low: nobody who proposes transactions is asked for it. */
  readonly lastValidBlockHeight: bigint;
  readonly feeLamports: bigint;
  /** Accounts it may write to: whoever else wants them competes with it. */
  readonly writable: readonly Address[];
}

/** What an order approves: what may leave, what must come, to whom it may go, and what it may cost. */
export interface Approval {
  readonly input: ApprovedChange["input"];
  readonly output?: ApprovedChange["output"];
  /** Mints whose token account the transaction may open for the wallet. */
  readonly mints: readonly Address[];
  readonly programs: ReadonlySet<Address>;
  readonly destinations: ReadonlySet<Address>;
  readonly maxFeeLamports: bigint;
  readonly maxRentLamports: bigint;
  readonly maxComputeUnits: number;
}

/** Longest life of a blockhash, in blocks. */
const blockhashBlocks = 150n;
const mostLooks = 4;

/**
 * The only holder of the key's use: takes proposed bytes, reads every instruction, simulates, and signs what the approval covers.
 *
 * proposed ─► decoded (lookup tables fetched) ─► policy ─► simulation: balances and control of own accounts ─► signed
 */
export class Signer {
  readonly #wallet: Wallet;
  readonly #pool: RpcPool;
  /** By owner and mint, both from the configuration. */
  readonly #derived = new Map<string, Promise<Address>>();

  constructor(wallet: Wallet, pool: RpcPool) {
    this.#wallet = wallet;
    this.#pool = pool;
  }

  get address(): Address {
    return this.#wallet.address;
  }

  /** @throws CodedError TRANSACTION_REFUSED with every violation; VENUE_UNREACHABLE when something cannot be looked up. Nothing is signed then. */
  async sign(proposed: Uint8Array, approval: Approval): Promise<CheckedTransaction> {
    const decoded = decodeTransaction(proposed, await this.#tables(proposed));
    // Beside each other: far RPCs take their time, and an order has five seconds.
    const [{ before, simulation, after }, lastValidBlockHeight] = await Promise.all([
      this.#look(decoded),
      this.#lastValidHeight(decoded.blockhash),
      this.#requireOthersSigned(decoded),
    ]);
    const verdict = checkTransaction(decoded, await this.#policy(before, approval));
    if (verdict.violations.length > 0) throw refusedBy(verdict.violations);
    if (simulation.error !== undefined) throw refused(`its simulation fails: ${simulation.error}`);
    const { input, output, maxRentLamports } = approval;
    const approved = { input, feeLamports: verdict.feeLamports, maxRentLamports };
    const changes = checkSimulatedChange({ before, after }, output ? { ...approved, output } : approved);
    if (changes.length > 0) throw refusedBy(changes);
    const signed = await partiallySignTransaction([this.#wallet.keyPair], decoded.transaction);
    const wire = getBase64EncodedWireTransaction(signed);
    return {
      wire,
      bytes: new Uint8Array(Buffer.from(wire, "base64")),
      signature: getSignatureFromTransaction(signed),
      blockhash: decoded.blockhash,
      lastValidBlockHeight,
      feeLamports: verdict.feeLamports,
      writable: writableOf(decoded),
    };
  }

  async #tables(bytes: Uint8Array): Promise<LookupTables> {
    const wanted = lookupTablesOf(bytes);
    if (wanted.length === 0) return new Map();
    const states = await this.#pool.read((source) => source.accounts(wanted, "confirmed"));
    return new Map([...states].map(([table, account]) => [table, account ? lookupTableAddresses(account.data) : []]));
  }

  /** A signature that is there must be right: bytes with a wrong one would be stored, sent and never taken, and the order would wait for their expiry. */
  async #requireOthersSigned({ transaction, signers }: DecodedTransaction): Promise<void> {
    for (const signer of signers) {
      const signature = transaction.signatures[signer];
      if (signer === this.address || !signature) continue;
      const key = await getPublicKeyFromAddress(signer);
      if (!(await verifySignature(key, signature, transaction.messageBytes)))
        throw refused(`the signature of ${signer} is wrong`);
    }
  }

  /**
   * The wallet before a transaction and after it, by a simulation: all of it from one source, and the wallet looked at on both sides of the simulation. If another
   * transaction of its own had landed in between, its gain could cover a loss of this one.
   */
  #look(decoded: DecodedTransaction): Promise<{ before: WalletState; simulation: SimulationResult; after: WalletState }> {
    const { transaction } = decoded;
    const wire = getBase64EncodedWireTransaction(transaction);
    // Only what it may write to can change; and nodes refuse to tell more accounts than the transaction names.
    const writable = writableOf(decoded);
    return this.#pool.read(async (source) => {
      let states = await this.#ownStates(source, writable);
      for (let round = 0; round < mostLooks; round += 1) {
        const simulation = await source.simulate(wire, writable);
        const again = await this.#ownStates(source, writable);
        const before = walletState(this.address, states);
        if (sameWallet(before, walletState(this.address, again)))
          return { before, simulation, after: walletState(this.address, new Map([...states, ...simulation.accounts])) };
        states = again;
      }
      throw refused(`the wallet changed during each of ${mostLooks} simulations`);
    });
  }

  /** The wallet, its token accounts, and every account that the transaction may write to. */
  async #ownStates(source: RpcSource, writable: readonly Address[]): Promise<AccountStates> {
    const wanted = [...new Set([this.address, ...writable])];
    const [held, named] = await Promise.all([
      source.tokenAccounts(this.address, "confirmed"),
      source.accounts(wanted, "confirmed"),
    ]);
    return new Map([...held, ...named]);
  }

  async #policy(before: WalletState, approval: Approval): Promise<TransactionPolicy> {
    const derived = await Promise.all(
      approval.mints.map(async (mint) => [await this.#tokenAddress(this.address, mint), mint] as const),
    );
    // Who may be paid may be paid in tokens, too: into the account that belongs to its address by convention.
    const payable = await Promise.all(
      [...approval.destinations].flatMap((owner) => approval.mints.map((mint) => this.#tokenAddress(owner, mint))),
    );
    const held = before.accounts.map(({ address, mint }) => [address, mint] as const);
    return {
      wallet: this.address,
      ownAccounts: new Map([...derived, ...held]),
      programs: approval.programs,
      destinations: new Set([...approval.destinations, ...payable]),
      input: approval.input,
      maxFeeLamports: approval.maxFeeLamports,
      maxComputeUnits: approval.maxComputeUnits,
    };
  }

  /** Derived once for each of the few addresses there are. */
  #tokenAddress(owner: Address, mint: Address): Promise<Address> {
    const key = `${owner} ${mint}`;
    const known = this.#derived.get(key) ?? associatedTokenAddress(owner, mint);
    this.#derived.set(key, known);
    return known;
  }

  /** Counted from a height that is not below the hash's own, so that the real one is never above: too high only means waiting longer. */
  async #lastValidHeight(blockhash: string): Promise<bigint> {
    return this.#pool.read(async (source) => {
      if (!(await source.isBlockhashValid(blockhash))) throw refused("its blockhash is unknown or has expired");
      return (await source.blockHeight("processed")) + blockhashBlocks;
    });
  }
}

function writableOf({ accounts }: DecodedTransaction): readonly Address[] {
  return [...new Set(accounts.filter(({ writable }) => writable).map(({ address }) => address))];
}

/** Nothing of it differs: amounts, owners, delegates. */
function sameWallet(left: WalletState, right: WalletState): boolean {
  const { freeLamports, rentLamports, plain, accounts } = left;
  if (freeLamports !== right.freeLamports || rentLamports !== right.rentLamports || plain !== right.plain) return false;
  if (accounts.length !== right.accounts.length) return false;
  const others = new Map(right.accounts.map((account) => [account.address, account]));
  return accounts.every((account) => {
    const other = others.get(account.address);
    return (
      other?.amount === account.amount &&
      other.mint === account.mint &&
      other.delegate === account.delegate &&
      other.closeAuthority === account.closeAuthority &&
      other.frozen === account.frozen
    );
  });
}

/** Where a wallet's tokens of a mint are by convention. */
export async function associatedTokenAddress(owner: Address, mint: Address): Promise<Address> {
  const encoder = getAddressEncoder();
  const [derived] = await getProgramDerivedAddress({
    programAddress: associatedTokenProgram,
    seeds: [encoder.encode(owner), encoder.encode(tokenProgram), encoder.encode(mint)],
  });
  return derived;
}

function refusedBy(violations: readonly { readonly reason: string }[]): CodedError<BrokerErrorCode> {
  return refused(violations.map(sayViolation).join("; "));
}

function refused(message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("TRANSACTION_REFUSED", `a transaction is not signed: ${message}`);
}

/** True for what decides against a transaction before anything was signed. */
export function isRefusal(error: unknown): error is CodedError<BrokerErrorCode> {
  return hasCode(error, "TRANSACTION_REFUSED") || hasCode(error, "SWAP_REFUSED") || hasCode(error, "FEE_BUDGET");
}
