import { CodedError, messageOf } from "@bellwether/service-kit";
import {
  type Address,
  type Base64EncodedWireTransaction,
  type Commitment,
  type Signature,
  createSolanaRpc,
  isSolanaError,
} from "@solana/kit";
import type { BrokerErrorCode } from "../../errors.ts";
import { tokenProgram } from "./program-addresses.ts";
import type { AccountData, AccountStates } from "./wallet-state.ts";
import type { LandedTransaction, TokenBalance } from "./settlement.ts";

export interface SignatureSearch {
  /** The newest slot of the node that searched. */
  readonly searchedSlot: bigint;
  /** Undefined: it knows no such signature. */
  readonly status?: {
    readonly slot: bigint;
    readonly commitment: Commitment;
    readonly failed: boolean;
  };
}

export interface SimulationResult {
  /** Text of the error; undefined when it would succeed. */
  readonly error?: string;
  readonly logs: readonly string[];
  readonly unitsConsumed: bigint;
  readonly accounts: AccountStates;
  readonly slot: bigint;
}

const base64 = "base64";
const mostAccountsPerCall = 100;

/**
 * One RPC endpoint. Every call ends within `timeoutMs` and throws VENUE_UNREACHABLE for whatever is no answer; the message never holds the address, in which
 * providers put keys.
 */
export class RpcSource {
  /** Its place in the configuration: `rpc-1`. */
  readonly name: string;
  readonly #rpc: ReturnType<typeof createSolanaRpc>;
  readonly #timeoutMs: number;

  constructor(options: { readonly name: string; readonly url: string; readonly timeoutMs: number }) {
    this.name = options.name;
    this.#timeoutMs = options.timeoutMs;
    this.#rpc = createSolanaRpc(options.url);
  }

  genesisHash(): Promise<string> {
    return this.#call("getGenesisHash", (options) => this.#rpc.getGenesisHash().send(options));
  }

  slot(): Promise<number> {
    return this.#call("getSlot", async (options) => Number(await this.#rpc.getSlot({ commitment: "processed" }).send(options)));
  }

  blockHeight(commitment: Commitment): Promise<bigint> {
    return this.#call("getBlockHeight", (options) => this.#rpc.getBlockHeight({ commitment }).send(options));
  }

  /** Its newest finalized block. */
  finalized(): Promise<{ readonly slot: bigint; readonly height: bigint }> {
    return this.#call("getEpochInfo", async (options) => {
      const { absoluteSlot, blockHeight } = await this.#rpc.getEpochInfo({ commitment: "finalized" }).send(options);
      return { slot: absoluteSlot, height: blockHeight };
    });
  }

  latestBlockhash(): Promise<{ blockhash: string; lastValidBlockHeight: bigint }> {
    return this.#call("getLatestBlockhash", async (options) => {
      const { value } = await this.#rpc.getLatestBlockhash({ commitment: "confirmed" }).send(options);
      return value;
    });
  }

  isBlockhashValid(blockhash: string): Promise<boolean> {
    return this.#call("isBlockhashValid", async (options) => {
      const { value } = await this.#rpc.isBlockhashValid(blockhash as never, { commitment: "processed" }).send(options);
      return value;
    });
  }

  /** Prices of compute units in recent blocks for transactions that wrote to these accounts, micro-lamports. */
  recentPriorityFees(accounts: readonly Address[]): Promise<readonly bigint[]> {
    return this.#call("getRecentPrioritizationFees", async (options) => {
      const fees = await this.#rpc.getRecentPrioritizationFees([...accounts]).send(options);
      return fees.map(({ prioritizationFee }) => BigInt(prioritizationFee));
    });
  }

  accounts(addresses: readonly Address[], commitment: Commitment): Promise<AccountStates> {
    return this.#call("getMultipleAccounts", async (options) => {
      const states = new Map<Address, AccountData | undefined>();
      for (let start = 0; start < addresses.length; start += mostAccountsPerCall) {
        const asked = addresses.slice(start, start + mostAccountsPerCall);
        const { value } = await this.#rpc.getMultipleAccounts(asked, { commitment, encoding: base64 }).send(options);
        for (const [index, address] of asked.entries()) states.set(address, accountData(value[index]));
      }
      return states;
    });
  }

  /** Every account of the SPL token program that a wallet owns. */
  tokenAccounts(owner: Address, commitment: Commitment): Promise<AccountStates> {
    return this.#call("getTokenAccountsByOwner", async (options) => {
      const { value } = await this.#rpc
        .getTokenAccountsByOwner(owner, { programId: tokenProgram }, { commitment, encoding: base64 })
        .send(options);
      return new Map(value.map(({ pubkey, account }) => [pubkey, accountData(account)]));
    });
  }

  /** Runs a transaction on the newest confirmed state; signatures may be missing. */
  simulate(wire: Base64EncodedWireTransaction, accounts: readonly Address[]): Promise<SimulationResult> {
    return this.#call("simulateTransaction", async (options) => {
      const { context, value } = await this.#rpc
        .simulateTransaction(wire, {
          encoding: base64,
          commitment: "confirmed",
          sigVerify: false,
          replaceRecentBlockhash: false,
          accounts: { addresses: [...accounts], encoding: base64 },
        })
        .send(options);
      const states = new Map(accounts.map((address, index) => [address, accountData(value.accounts?.[index] ?? null)]));
      return {
        logs: value.logs ?? [],
        unitsConsumed: value.unitsConsumed ?? 0n,
        accounts: states,
        slot: context.slot,
        ...(value.err === null ? {} : { error: textOf(value.err) }),
      };
    });
  }

  /** Hands bytes over. That an endpoint takes them says nothing of their fate, nor does an error. */
  send(wire: Base64EncodedWireTransaction): Promise<void> {
    return this.#call("sendTransaction", async (options) => {
      // Checked already; and a preflight on a node that lags would refuse what others take.
      await this.#rpc.sendTransaction(wire, { encoding: base64, skipPreflight: true, maxRetries: 0n }).send(options);
    });
  }

  /** What it knows of a signature, however old. */
  status(signature: string): Promise<SignatureSearch> {
    return this.#call("getSignatureStatuses", async (options) => {
      const { context, value } = await this.#rpc
        .getSignatureStatuses([signature as Signature], { searchTransactionHistory: true })
        .send(options);
      const searchedSlot = context.slot;
      const [found] = value;
      if (!found) return { searchedSlot };
      const { slot, confirmationStatus, err } = found;
      return { searchedSlot, status: { slot, commitment: confirmationStatus ?? "processed", failed: err !== null } };
    });
  }

  /** A finalized transaction; undefined when it does not know it (yet). */
  landed(signature: string): Promise<LandedTransaction | undefined> {
    return this.#call("getTransaction", async (options) => {
      const found = await this.#rpc
        .getTransaction(signature as Signature, { commitment: "finalized", encoding: "json", maxSupportedTransactionVersion: 0 })
        .send(options);
      if (!found?.meta) return undefined;
      const { meta, transaction, slot, blockTime } = found;
      return {
        signature,
        slot,
        timeMs: Number(blockTime ?? 0n) * 1_000,
        failed: meta.err !== null,
        feeLamports: meta.fee,
        accounts: [
          ...transaction.message.accountKeys,
          ...(meta.loadedAddresses?.writable ?? []),
          ...(meta.loadedAddresses?.readonly ?? []),
        ],
        preBalances: meta.preBalances,
        postBalances: meta.postBalances,
        preTokens: (meta.preTokenBalances ?? []).flatMap(tokenBalance),
        postTokens: (meta.postTokenBalances ?? []).flatMap(tokenBalance),
      };
    });
  }

  async #call<T>(method: string, call: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    try {
      return await call({ abortSignal: AbortSignal.timeout(this.#timeoutMs) });
    } catch (error) {
      // No cause, and no text of the transport's errors: they hold the address.
      const what = isSolanaError(error)
        ? `Solana error ${error.context.__code}`
        : `${(error as Error).name}: ${messageOf(error)}`;
      throw new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", `${this.name} did not answer ${method}: ${what}`);
    }
  }
}

function accountData(
  account: { readonly owner: Address; readonly lamports: bigint; readonly data: readonly [string, string] } | null | undefined,
): AccountData | undefined {
  if (!account) return undefined;
  return { owner: account.owner, lamports: account.lamports, data: new Uint8Array(Buffer.from(account.data[0], base64)) };
}

function tokenBalance(balance: {
  readonly accountIndex: number;
  readonly mint: Address;
  readonly owner?: Address;
  readonly uiTokenAmount: { readonly amount: string };
}): readonly TokenBalance[] {
  const { accountIndex, mint, owner, uiTokenAmount } = balance;
  return owner === undefined ? [] : [{ accountIndex, mint, owner, amount: BigInt(uiTokenAmount.amount) }];
}

function textOf(error: unknown): string {
  return messageOf(JSON.stringify(error, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value)));
}
