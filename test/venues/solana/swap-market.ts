import {
  type Address,
  type Blockhash,
  type Instruction,
  AccountRole,
  appendTransactionMessageInstructions,
  compileTransaction,
  compressTransactionMessageUsingAddressLookupTables,
  createKeyPairFromPrivateKeyBytes,
  createTransactionMessage,
  getAddressEncoder,
  getAddressFromPublicKey,
  getTransactionEncoder,
  partiallySignTransaction,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import {
  associatedTokenAddress,
  associatedTokenProgram,
  computeBudgetProgram,
  decodeTokenAccount,
  systemProgram,
  tokenProgram,
} from "./accounts.ts";
import type { Chain } from "./chain.ts";

type KeyPair = Awaited<ReturnType<typeof createKeyPairFromPrivateKeyBytes>>;

/** What the next swap transactions do that nobody asked for. */
export type SwapFault =
  | "extra-transfer"
  | "token-transfer"
  | "delegate"
  | "change-owner"
  | "short-output"
  | "greedy-input"
  | "expensive"
  | "unknown-program"
  | "early-expiry"
  | "unavailable";

export interface Token {
  readonly mint: Address;
  readonly decimals: number;
}

/** Native SOL stands under this mint in quotes, as with every Solana aggregator. */
export const wrappedSol = "So11111111111111111111111111111111111111112" as Address;

interface Quote {
  readonly inputMint: string;
  readonly inAmount: string;
  readonly outputMint: string;
  readonly outAmount: string;
  readonly otherAmountThreshold: string;
  readonly swapMode: "ExactIn" | "ExactOut";
  readonly slippageBps: number;
}

export interface SwapRequest {
  readonly quoteResponse: Quote;
  readonly userPublicKey: string;
  readonly computeUnitPriceMicroLamports?: number;
}

export class SwapRefusal extends Error {}

const feeBps = 25n;
const bps = 10_000n;
const computeUnitLimit = 60_000;
/** Rent of the pool's own accounts is not for sale. */
const keptLamports = 10_000_000n;

/**
 * A market maker with Jupiter's quote and swap interface. Its price is x · y = k over what its own accounts hold.
 *
 * There is no compiler for SVM programs here, so that the pool is no program: a swap is two transfers in one transaction, one signed by the taker and one by
 * the maker, who signs first. The SVM executes both or none, as it would a router's; what a program would enforce (the least output) is fixed in the amounts.
 */
export class SwapMarket {
  readonly maker: Address;
  readonly #chain: Chain;
  readonly #keys: KeyPair;
  readonly #faults: SwapFault[] = [];
  /** A lookup table that the next transactions take accounts from, and what stands in it. */
  lookupTable: { readonly address: Address; readonly entries: Address[] } | undefined;
  /** Where stolen goods go in faults. */
  readonly stranger: Address;

  private constructor(chain: Chain, keys: KeyPair, addresses: { maker: Address; stranger: Address }) {
    this.#chain = chain;
    this.#keys = keys;
    this.maker = addresses.maker;
    this.stranger = addresses.stranger;
  }

  static async create(chain: Chain): Promise<SwapMarket> {
    const keys = await createKeyPairFromPrivateKeyBytes(new Uint8Array(32).fill(7));
    const stranger = await createKeyPairFromPrivateKeyBytes(new Uint8Array(32).fill(8));
    const addresses = {
      maker: await getAddressFromPublicKey(keys.publicKey),
      stranger: await getAddressFromPublicKey(stranger.publicKey),
    };
    return new SwapMarket(chain, keys, addresses);
  }

  fault(...faults: readonly SwapFault[]): void {
    this.#faults.push(...faults);
  }

  /** GET /swap/v1/quote. @throws SwapRefusal */
  async quote(query: URLSearchParams): Promise<Quote & { readonly routePlan: readonly unknown[]; readonly contextSlot: number }> {
    if (this.#faults[0] === "unavailable") {
      this.#faults.shift();
      throw new SwapRefusal("no route");
    }
    const inputMint = query.get("inputMint") ?? "";
    const outputMint = query.get("outputMint") ?? "";
    const amount = BigInt(query.get("amount") ?? "0");
    const slippageBps = BigInt(query.get("slippageBps") ?? "50");
    const exactOut = query.get("swapMode") === "ExactOut";
    if (amount <= 0n) throw new SwapRefusal("amount must be positive");
    const [reserveIn, reserveOut] = [await this.#reserve(inputMint), await this.#reserve(outputMint)];
    const inAmount = exactOut ? inputFor(amount, reserveIn, reserveOut) : amount;
    const outAmount = exactOut ? amount : outputFor(amount, reserveIn, reserveOut);
    if (inAmount <= 0n || outAmount <= 0n || outAmount >= reserveOut) throw new SwapRefusal("no route: the pool is too small");
    const threshold = exactOut ? (inAmount * (bps + slippageBps)) / bps : (outAmount * (bps - slippageBps)) / bps;
    return {
      inputMint,
      inAmount: String(inAmount),
      outputMint,
      outAmount: String(outAmount),
      otherAmountThreshold: String(threshold),
      swapMode: exactOut ? "ExactOut" : "ExactIn",
      slippageBps: Number(slippageBps),
      routePlan: [{ swapInfo: { label: "local maker" }, percent: 100 }],
      contextSlot: this.#chain.tip.slot,
    };
  }

  /** POST /swap/v1/swap: a transaction that the maker has signed and the taker has not. */
  async swap({ quoteResponse, userPublicKey, computeUnitPriceMicroLamports }: SwapRequest): Promise<unknown> {
    const taker = userPublicKey as Address;
    const fault = this.#faults.shift();
    const price = fault === "expensive" ? 1_000_000_000_000 : (computeUnitPriceMicroLamports ?? 0);
    const block = this.#chain.below(this.#chain.tip, this.#chain.confirmedDepth);
    const lastValidBlockHeight = block.height + (fault === "early-expiry" ? 1 : this.#chain.validBlocks);
    const instructions = [
      ...budget(price),
      ...(await this.#legs(quoteResponse, taker, fault)),
      ...(await this.#extra(quoteResponse, taker, fault)),
    ];
    const message = pipe(
      createTransactionMessage({ version: 0 }),
      (draft) => setTransactionMessageFeePayer(taker, draft),
      (draft) =>
        setTransactionMessageLifetimeUsingBlockhash(
          { blockhash: block.hash as Blockhash, lastValidBlockHeight: BigInt(lastValidBlockHeight) },
          draft,
        ),
      (draft) => appendTransactionMessageInstructions(instructions, draft),
      (draft) => compressTransactionMessageUsingAddressLookupTables(draft, this.#tables()),
    );
    const signed = await partiallySignTransaction([this.#keys], compileTransaction(message));
    return {
      swapTransaction: Buffer.from(getTransactionEncoder().encode(signed)).toString("base64"),
      lastValidBlockHeight,
      prioritizationFeeLamports: 0,
      computeUnitLimit,
    };
  }

  #tables(): Record<Address, Address[]> {
    return this.lookupTable ? { [this.lookupTable.address]: this.lookupTable.entries } : {};
  }

  async #legs(quote: Quote, taker: Address, fault: SwapFault | undefined): Promise<Instruction[]> {
    const input = BigInt(quote.inAmount) * (fault === "greedy-input" ? 2n : 1n);
    const output = BigInt(quote.outAmount) / (fault === "short-output" ? 2n : 1n);
    return [
      ...(await this.#move({ mint: quote.inputMint as Address, from: taker, to: this.maker, payer: taker, amount: input })),
      ...(await this.#move({ mint: quote.outputMint as Address, from: this.maker, to: taker, payer: taker, amount: output })),
    ];
  }

  async #move(leg: { mint: Address; from: Address; to: Address; payer: Address; amount: bigint }): Promise<Instruction[]> {
    const { mint, from, to, payer, amount } = leg;
    if (mint === wrappedSol) return [transferSol(from, to, amount)];
    const [source, destination] = [await associatedTokenAddress(from, mint), await associatedTokenAddress(to, mint)];
    const account = this.#chain.account(destination);
    const create = account ? [] : [createTokenAccount({ payer, owner: to, mint, account: destination })];
    return [...create, transferToken(source, destination, { owner: from, amount })];
  }

  async #extra(quote: Quote, taker: Address, fault: SwapFault | undefined): Promise<Instruction[]> {
    const mint = (quote.inputMint === wrappedSol ? quote.outputMint : quote.inputMint) as Address;
    const account = await associatedTokenAddress(taker, mint);
    switch (fault) {
      case "extra-transfer":
        return [transferSol(taker, this.stranger, 5_000_000n)];
      case "token-transfer":
        return [transferToken(account, await associatedTokenAddress(this.maker, mint), { owner: taker, amount: 1n })];
      case "delegate":
        return [tokenInstruction([writable(account), readonly(this.stranger), signer(taker)], amountData(4, 1_000_000_000n))];
      case "change-owner":
        return [tokenInstruction([writable(account), signer(taker)], setOwnerData(this.stranger))];
      case "unknown-program":
        return [
          {
            programAddress: "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr" as Address,
            accounts: [],
            data: new Uint8Array([104, 105]),
          },
        ];
      default:
        return [];
    }
  }

  async #reserve(mint: string): Promise<bigint> {
    if (mint === wrappedSol) return BigInt(this.#chain.account(this.maker)?.lamports ?? 0n) - keptLamports;
    const account = this.#chain.account(await associatedTokenAddress(this.maker, mint as Address));
    const token = account && decodeTokenAccount(account.programAddress, account.data as Uint8Array);
    if (!token) throw new SwapRefusal(`the token ${mint} is not tradable`);
    return token.amount;
  }
}

/** Output of x · y = k for an input, after the maker's fee, rounded down. */
function outputFor(input: bigint, reserveIn: bigint, reserveOut: bigint): bigint {
  const net = input * (bps - feeBps);
  return (net * reserveOut) / (reserveIn * bps + net);
}

/** The least input that brings an output, rounded up. */
function inputFor(output: bigint, reserveIn: bigint, reserveOut: bigint): bigint {
  if (output >= reserveOut) throw new SwapRefusal("no route: the pool is too small");
  const net = (output * reserveIn * bps) / (reserveOut - output) + 1n;
  return net / (bps - feeBps) + 1n;
}

const writable = (address: Address) => ({ address, role: AccountRole.WRITABLE }) as const;
const readonly = (address: Address) => ({ address, role: AccountRole.READONLY }) as const;
const signer = (address: Address) => ({ address, role: AccountRole.READONLY_SIGNER }) as const;

function budget(microLamports: number): Instruction[] {
  const limit = new Uint8Array(5);
  limit[0] = 2;
  new DataView(limit.buffer).setUint32(1, computeUnitLimit, true);
  return [
    { programAddress: computeBudgetProgram, accounts: [], data: limit },
    { programAddress: computeBudgetProgram, accounts: [], data: amountData(3, BigInt(microLamports)) },
  ];
}

export function transferSol(from: Address, to: Address, amount: bigint): Instruction {
  const data = new Uint8Array(12);
  const view = new DataView(data.buffer);
  view.setUint32(0, 2, true);
  view.setBigUint64(4, amount, true);
  return { programAddress: systemProgram, accounts: [{ address: from, role: AccountRole.WRITABLE_SIGNER }, writable(to)], data };
}

function transferToken(
  source: Address,
  destination: Address,
  { owner, amount }: { owner: Address; amount: bigint },
): Instruction {
  return tokenInstruction([writable(source), writable(destination), signer(owner)], amountData(3, amount));
}

function createTokenAccount(made: { payer: Address; owner: Address; mint: Address; account: Address }): Instruction {
  const accounts = [
    { address: made.payer, role: AccountRole.WRITABLE_SIGNER } as const,
    writable(made.account),
    ...[made.owner, made.mint, systemProgram, tokenProgram].map(readonly),
  ];
  // 1: no error when it exists already.
  return { programAddress: associatedTokenProgram, accounts, data: new Uint8Array([1]) };
}

function tokenInstruction(accounts: NonNullable<Instruction["accounts"]>, data: Uint8Array): Instruction {
  return { programAddress: tokenProgram, accounts, data };
}

function amountData(kind: number, amount: bigint): Uint8Array {
  const data = new Uint8Array(9);
  data[0] = kind;
  new DataView(data.buffer).setBigUint64(1, amount, true);
  return data;
}

/** SetAuthority, AccountOwner. */
function setOwnerData(owner: Address): Uint8Array {
  return new Uint8Array([6, 2, 1, ...getAddressEncoder().encode(owner)]);
}
