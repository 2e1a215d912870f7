import { type Address, type EncodedAccount, type Signature, getBase58Decoder } from "@solana/kit";
import { decodeTokenAccount, mintDecimals } from "./accounts.ts";
import type { Block, Chain, LandedTransaction, TokenBalance } from "./chain.ts";
import { verifySignatures } from "./signatures.ts";
import { type WireTransaction, decodeWireTransaction, feeOf } from "./wire-transaction.ts";

/** How one RPC endpoint differs from the chain it looks at. */
export interface EndpointFaults {
  /** Sees the chain so many blocks late. */
  lagBlocks: number;
  /** Stands still at the block it saw last, and goes on answering health with "ok". */
  frozen: boolean;
  /** Connections are cut. */
  down: boolean;
  /** Requests are answered with 503. */
  unavailable: boolean;
  /** Answers so much later. */
  delayMs: number;
  /** sendTransaction answers with the signature and passes nothing on. */
  swallowSends: boolean;
  /** So many sendTransaction calls are taken, and the connection is cut instead of an answer. */
  loseReplies: number;
  /** Knows no transaction beyond its status cache, whatever landed. */
  historyLost: boolean;
  /** Says nothing of any transaction, as a node on a minority fork. */
  blind: boolean;
  /** Claims to be of another cluster. */
  genesisHash: string | undefined;
  /** What getRecentPrioritizationFees answers with. */
  priorityFees: readonly number[];
  /** Answers with them only to who asks for this account, and with zeros to others; undefined: to everybody. */
  contended: Address | undefined;
}

/** An answer that is an error to the caller, with JSON-RPC's code. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** The connection ends instead of an answer. */
export class CutConnection extends Error {}

type Params = readonly unknown[];
type Commitment = "processed" | "confirmed" | "finalized";
interface Options {
  readonly commitment?: Commitment;
  readonly minContextSlot?: number;
  readonly [name: string]: unknown;
}

const statusCacheBlocks = 150;
const confirmationsToFinality = 32;

/** One RPC endpoint: the methods of Solana's JSON-RPC that @solana/kit's users need for wallets, in its shapes. */
export class Endpoint {
  readonly name: string;
  readonly faults: EndpointFaults = {
    lagBlocks: 0,
    frozen: false,
    down: false,
    unavailable: false,
    delayMs: 0,
    swallowSends: false,
    loseReplies: 0,
    historyLost: false,
    blind: false,
    genesisHash: undefined,
    priorityFees: [],
    contended: undefined,
  };
  /** Every call as `<method> <first parameter>`, newest last. */
  readonly calls: string[] = [];
  readonly #chain: Chain;
  #frozenAt: Block | undefined;

  constructor(name: string, chain: Chain) {
    this.name = name;
    this.#chain = chain;
  }

  change(faults: Partial<EndpointFaults>): void {
    Object.assign(this.faults, faults);
    this.#frozenAt = this.faults.frozen ? (this.#frozenAt ?? this.#chain.tip) : undefined;
  }

  /** The newest block as this endpoint sees it. */
  view(commitment: Commitment = "processed"): Block {
    const chain = this.#chain;
    // A fork may have taken back the block it stands at.
    const frozen = this.#frozenAt && chain.blockAt(this.#frozenAt.slot);
    const newest = frozen ?? chain.below(chain.tip, this.faults.lagBlocks);
    if (commitment === "processed") return newest;
    return chain.below(newest, commitment === "confirmed" ? chain.confirmedDepth : chain.finalizedDepth);
  }

  /** @throws RpcError, CutConnection */
  async call(method: string, params: Params): Promise<unknown> {
    const handler = this.#methods[method];
    if (!handler) throw new RpcError(-32601, `Method not found: ${method}`);
    this.calls.push(`${method} ${typeof params[0] === "string" ? params[0] : ""}`.trim());
    if (this.calls.length > 20_000) this.calls.splice(0, 10_000);
    const last = params.at(-1);
    const options = typeof last === "object" && last !== null && !Array.isArray(last) ? (last as Options) : {};
    const view = this.view(options.commitment ?? "finalized");
    if (options.minContextSlot !== undefined && view.slot < options.minContextSlot)
      throw new RpcError(-32016, "Minimum context slot has not been reached", { contextSlot: view.slot });
    return handler(params, options, view);
  }

  /** What signatureSubscribe waits for; undefined while it is not there. */
  seen(signature: Signature, commitment: Commitment): { err: unknown; slot: number } | undefined {
    const landed = this.#visible(signature, this.view(commitment));
    return landed && { err: landed.err, slot: this.view(commitment).slot };
  }

  readonly #methods: Record<string, (params: Params, options: Options, view: Block) => unknown> = {
    getHealth: () => "ok",
    getVersion: () => ({ "solana-core": "2.3.0", "feature-set": 0 }),
    getGenesisHash: () => this.faults.genesisHash ?? this.#chain.genesisHash,
    getSlot: (_params, _options, view) => view.slot,
    getBlockHeight: (_params, _options, view) => view.height,
    getEpochInfo: (_params, _options, view) => ({
      absoluteSlot: view.slot,
      blockHeight: view.height,
      epoch: 0,
      slotIndex: view.slot,
      slotsInEpoch: 432_000,
      transactionCount: null,
    }),
    getLatestBlockhash: (_params, _options, view) =>
      inContext(view, { blockhash: view.hash, lastValidBlockHeight: view.height + this.#chain.validBlocks }),
    isBlockhashValid: ([hash], _options, view) => inContext(view, this.#blockhashValid(hash as string, view)),
    getBalance: ([address], _options, view) => inContext(view, this.#chain.account(address as Address, view)?.lamports ?? 0n),
    getAccountInfo: ([address], _options, view) => inContext(view, accountInfo(this.#chain.account(address as Address, view))),
    getMultipleAccounts: ([addresses], _options, view) =>
      inContext(
        view,
        (addresses as Address[]).map((address) => accountInfo(this.#chain.account(address, view))),
      ),
    getTokenAccountsByOwner: ([owner, filter], options, view) =>
      inContext(view, this.#tokenAccounts(owner as Address, filter as { mint?: string }, { options, view })),
    getMinimumBalanceForRentExemption: ([bytes]) => this.#chain.minimumBalance(Number(bytes)),
    getFeeForMessage: ([message], _options, view) => inContext(view, this.#feeForMessage(message as string, view)),
    getRecentPrioritizationFees: ([addresses], _options, view) => {
      const { priorityFees, contended } = this.faults;
      const competes = contended === undefined || ((addresses ?? []) as Address[]).includes(contended);
      return priorityFees.map((fee, index) => ({ slot: view.slot - index, prioritizationFee: competes ? fee : 0 }));
    },
    getSignatureStatuses: ([signatures], options) =>
      inContext(
        this.view(),
        (signatures as Signature[]).map((signature) => this.#status(signature, options["searchTransactionHistory"] === true)),
      ),
    getTransaction: ([signature], options, view) => this.#transaction(signature as Signature, options, view),
    simulateTransaction: ([transaction], options) => this.#simulate(transaction as string, options),
    sendTransaction: ([transaction], options) => this.#send(transaction as string, options),
  };

  #blockhashValid(hash: string, view: Block): boolean {
    const lastValid = this.#chain.lastValidHeight(hash);
    return lastValid !== undefined && lastValid - this.#chain.validBlocks <= view.height && view.height <= lastValid;
  }

  #visible(signature: Signature, view: Block): LandedTransaction | undefined {
    const landed = this.#chain.landed(signature);
    return landed && !this.faults.blind && landed.slot <= view.slot ? landed : undefined;
  }

  #status(signature: Signature, searchHistory: boolean): unknown {
    const view = this.view();
    const landed = this.#visible(signature, view);
    if (!landed) return null;
    const depth = view.height - this.#chain.blockAt(landed.slot).height;
    if (depth > statusCacheBlocks && (!searchHistory || this.faults.historyLost)) return null;
    const finalized = landed.slot <= this.view("finalized").slot;
    const confirmed = landed.slot <= this.view("confirmed").slot;
    return {
      slot: landed.slot,
      confirmations: finalized ? null : Math.min(depth, confirmationsToFinality - 1),
      err: landed.err,
      status: landed.err === null ? { Ok: null } : { Err: landed.err },
      confirmationStatus: finalized ? "finalized" : confirmed ? "confirmed" : "processed",
    };
  }

  #transaction(signature: Signature, options: Options, view: Block): unknown {
    const landed = this.faults.historyLost ? undefined : this.#visible(signature, view);
    if (!landed) return null;
    const block = this.#chain.blockAt(landed.slot);
    const tokens = (balances: readonly TokenBalance[]): unknown[] => balances.map((balance) => this.#tokenBalance(balance));
    return {
      slot: landed.slot,
      blockTime: Math.floor(block.timeMs / 1_000),
      version: landed.wire.lookups.length > 0 || (landed.wire.transaction.messageBytes[0] ?? 0) >= 0x80 ? 0 : "legacy",
      transaction:
        options["encoding"] === "base64" ? [Buffer.from(landed.wire.bytes).toString("base64"), "base64"] : asJson(landed.wire),
      meta: {
        err: landed.err,
        status: landed.err === null ? { Ok: null } : { Err: landed.err },
        fee: landed.fee,
        preBalances: landed.preBalances,
        postBalances: landed.postBalances,
        preTokenBalances: tokens(landed.preTokens),
        postTokenBalances: tokens(landed.postTokens),
        innerInstructions: [],
        logMessages: landed.logs,
        loadedAddresses: landed.loaded,
        computeUnitsConsumed: landed.units,
        rewards: [],
      },
    };
  }

  #tokenBalance({ accountIndex, mint, owner, amount }: TokenBalance): unknown {
    return {
      accountIndex,
      mint,
      owner,
      programId: "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
      uiTokenAmount: this.#uiAmount(mint, amount),
    };
  }

  #uiAmount(mint: Address, amount: bigint): unknown {
    const account = this.#chain.account(mint);
    const decimals = (account && mintDecimals(account.programAddress, account.data as Uint8Array)) ?? 0;
    const digits = amount.toString().padStart(decimals + 1, "0");
    const text = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
    return { amount: amount.toString(), decimals, uiAmount: Number(text), uiAmountString: text };
  }

  #tokenAccounts(owner: Address, filter: { mint?: string }, { options, view }: { options: Options; view: Block }): unknown {
    const accounts = this.#chain.tokenAccounts(owner, view).flatMap((account) => {
      const token = decodeTokenAccount(account.programAddress, account.data as Uint8Array);
      return token && (filter.mint === undefined || filter.mint === token.mint) ? [{ account, token }] : [];
    });
    return accounts.map(({ account, token }) => ({
      pubkey: account.address,
      account: options["encoding"] === "jsonParsed" ? this.#parsedToken(account, token) : accountInfo(account),
    }));
  }

  #parsedToken(account: EncodedAccount, token: { mint: Address; owner: Address; amount: bigint }): unknown {
    const info = {
      isNative: false,
      mint: token.mint,
      owner: token.owner,
      state: "initialized",
      tokenAmount: this.#uiAmount(token.mint, token.amount),
    };
    return { ...accountInfo(account), data: { program: "spl-token", parsed: { info, type: "account" }, space: 165 } };
  }

  #feeForMessage(message: string, view: Block): bigint | null {
    const bytes = Buffer.from(message, "base64");
    const signers = bytes[0]! >= 0x80 ? bytes[1]! : bytes[0]!;
    const unsigned = Buffer.concat([Buffer.from([signers]), Buffer.alloc(64 * signers), bytes]);
    const wire = decoded(unsigned);
    return this.#blockhashValid(wire.blockhash, view) ? feeOf(wire) : null;
  }

  async #simulate(encoded: string, options: Options): Promise<unknown> {
    const view = this.view(options.commitment ?? "finalized");
    const wire = decoded(Buffer.from(encoded, "base64"));
    if (options["sigVerify"] === true && !(await verifySignatures(wire.transaction)))
      throw new RpcError(-32003, "Transaction signature verification failure");
    if (options["replaceRecentBlockhash"] !== true && !this.#blockhashValid(wire.blockhash, view))
      return inContext(view, { err: "BlockhashNotFound", logs: [], accounts: null, unitsConsumed: 0, returnData: null });
    const wanted = (options["accounts"] as { addresses?: Address[] } | undefined)?.addresses;
    const loaded = this.#chain.loadedAddresses(wire);
    const most = wire.staticAccounts.length + loaded.writable.length + loaded.readonly.length;
    if (wanted && wanted.length > most) throw new RpcError(-32602, `Too many accounts provided; max ${most}`);
    const simulated = this.#chain.simulate(wire, view);
    return inContext(view, {
      err: simulated.err,
      logs: simulated.logs,
      accounts: wanted ? wanted.map((address) => accountInfo(simulated.account(address))) : null,
      unitsConsumed: simulated.units,
      returnData: null,
      fee: feeOf(wire),
      loadedAddresses: loaded,
    });
  }

  async #send(encoded: string, options: Options): Promise<unknown> {
    const wire = decoded(Buffer.from(encoded, "base64"));
    if (!(await verifySignatures(wire.transaction))) throw new RpcError(-32003, "Transaction signature verification failure");
    if (options["skipPreflight"] !== true && !this.#blockhashValid(wire.blockhash, this.view("processed")))
      throw new RpcError(-32002, "Transaction simulation failed: Blockhash not found", { err: "BlockhashNotFound", logs: [] });
    if (!this.faults.swallowSends && !this.faults.frozen) this.#chain.submit(wire.bytes);
    if (this.faults.loseReplies > 0) {
      this.faults.loseReplies -= 1;
      throw new CutConnection("the reply is lost");
    }
    return wire.signature;
  }
}

function decoded(bytes: Uint8Array): WireTransaction {
  try {
    return decodeWireTransaction(bytes);
  } catch (cause) {
    throw new RpcError(-32602, `failed to deserialize the transaction: ${String(cause)}`);
  }
}

/** Encoding `json`: accounts of the message by their address, lookup tables unresolved. */
function asJson({ transaction, staticAccounts, blockhash, lookups, signature }: WireTransaction): unknown {
  const message = {
    accountKeys: staticAccounts,
    header: {},
    instructions: [],
    recentBlockhash: blockhash,
    addressTableLookups: lookups.map(({ table, writable, readonly }) => ({
      accountKey: table,
      writableIndexes: writable,
      readonlyIndexes: readonly,
    })),
  };
  const others = Object.values(transaction.signatures).slice(1);
  return { message, signatures: [signature, ...others.map((bytes) => getBase58Decoder().decode(bytes ?? new Uint8Array(64)))] };
}

function inContext(view: Block, value: unknown): unknown {
  return { context: { slot: view.slot, apiVersion: "2.3.0" }, value };
}

function accountInfo(account: EncodedAccount | undefined): Record<string, unknown> | null {
  if (!account) return null;
  return {
    lamports: account.lamports,
    owner: account.programAddress,
    executable: account.executable,
    rentEpoch: 18_446_744_073_709_551_615n,
    space: account.data.length,
    data: [Buffer.from(account.data).toString("base64"), "base64"],
  };
}
