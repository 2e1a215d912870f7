import { createHash } from "node:crypto";
import { type Clock, CodedError, type Logger, hasCode } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type Decimal,
  type FinalOrder,
  type MarketRules,
  ZERO,
  add,
  formatDecimal,
  multiply,
  parseDecimal,
} from "@bellwether/trading";
import { type Address, type Base64EncodedWireTransaction, getAddressEncoder } from "@solana/kit";
import type { SendRecords, SignedRecord } from "../../durable/send-log.ts";
import type { BrokerErrorCode } from "../../errors.ts";
import type { FailPoints } from "../../fail-points.ts";
import type { MarketFeed } from "../../feeds/feed.ts";
import { keyClaim } from "../../journal/key-claim.ts";
import type { Ending, Operation, SignedBytes, SignedTransaction, SignedTransactions } from "../../journal/signed-transactions.ts";
import type {
  SentOrder,
  SubmitReply,
  SubmitRequest,
  Venue,
  VenueHealth,
  VenueJournal,
  VenueOrder,
  VenueTrade,
} from "../venue.ts";
import { fromMinorUnits } from "./amounts.ts";
import { marketRulesOf, marketTokens, planSwap, quoteRefusal } from "./plan-swap.ts";
import { chooseFee, feeOf, percentileOf } from "./priority-fee.ts";
import { type SolanaToken, solDecimals, wrappedSolMint } from "./program-addresses.ts";
import { type AttemptResolution, resolveAttempt } from "./resolve-attempt.ts";
import type { RpcPool } from "./rpc-pool.ts";
import { type LandedTransaction, type SwapOrder, type WalletDelta, tradesOf, walletDelta } from "./settlement.ts";
import { type Approval, type CheckedTransaction, type Signer, associatedTokenAddress, isRefusal } from "./signer.ts";
import type { SwapAdapter } from "./swap-adapter.ts";
import { transferComputeUnits, transferTransaction } from "./transfer.ts";
import { walletState } from "./wallet-state.ts";

export interface SolanaSettings {
  readonly tokens: readonly SolanaToken[];
  readonly programs: ReadonlySet<Address>;
  readonly destinations: ReadonlySet<Address>;
  readonly slippageBps: number;
  readonly maxDeviationBps: number;
  readonly fees: {
    /** Of recent prices: 1–100. */
    readonly percentile: number;
    readonly maxMicroLamportsPerUnit: bigint;
    readonly maxLamportsPerTransaction: bigint;
    readonly dailyLamports: bigint;
  };
  readonly maxComputeUnits: number;
  readonly maxRentLamports: bigint;
}

export interface SolanaVenueOptions {
  readonly account: string;
  readonly settings: SolanaSettings;
  readonly pool: RpcPool;
  readonly signer: Signer;
  readonly swaps: SwapAdapter;
  readonly transactions: SignedTransactions;
  readonly journal: Pick<VenueJournal, "writerEpoch" | "claimKey">;
  readonly sendLog: Pick<SendRecords, "append">;
  readonly feed: Pick<MarketFeed, "lastPrice">;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly log: Logger;
}

/** An asset of the wallet to an address of the allow-list. Not an order: nothing comes back. */
export interface TransferRequest {
  /** Names the transfer for ever: the same id never moves money twice. */
  readonly id: string;
  readonly asset: string;
  /** Minor units. */
  readonly amount: bigint;
  readonly destination: Address;
  readonly timestampMs: number;
}

/** Nothing is signed for an order later than this after it was recorded as about to be sent. */
export const solanaValidity = { windowMs: 8_000, marginMs: 1_000 };
const dayMs = 86_400_000;
const resendEveryMs = 2_000;
const balancesForMs = 1_000;
const feesEveryMs = 5_000;
/** Most accounts that an RPC is asked about at once. */
const mostFeeAccounts = 128;
/** What a swap takes: fees are told for one of this size. */
const usualComputeUnits = 200_000;

/**
 * A Solana wallet as a venue. What an exchange does by client order id is done here by the journal: an operation has one signed transaction for ever, stored
 * before its first byte leaves, and what became of it is asked of the chain until it is proven.
 *
 *   order ─► quote ─► proposed ─► read, checked, simulated, signed ─► stored: Postgres, send log ─► sent to every source
 *                                                                      │ Working: identical bytes again, every 2 s
 *                                                                      ├─► finalized: Filled with fills by balance deltas, or Rejected with its fee
 *                                                                      └─► proven never to land: Rejected; only a new approval signs anew
 *
 * Absent here means never signed: {@link lookup} makes that final before it says so.
 */
export class SolanaVenue implements Venue {
  readonly kind = "solana";
  readonly validity = solanaValidity;
  /** A swap lives as long as its blockhash: a minute. */
  readonly holdsExpiry = true;
  readonly fingerprint: string;
  readonly #options: SolanaVenueOptions;
  readonly #listeners: ((clientOrderIds: readonly string[]) => void)[] = [];
  readonly #sentAtMs = new Map<string, number>();
  #balances: { readonly atMs: number; readonly rows: BrokerAccount["balances"] } | undefined;
  #contradiction: string | undefined;
  #inUse: string | undefined = "the wallet has not been claimed yet";
  #claimDueMs = 0;
  #fees: BrokerAccount["fees"];
  /** What the last swaps wrote to, newest first. Of several, so that a quote does not jump with each change of the market. */
  #contended: readonly Address[] = [];
  #feesDueMs = 0;

  constructor(options: SolanaVenueOptions) {
    this.#options = options;
    this.fingerprint = createHash("sha256")
      .update(Buffer.from(getAddressEncoder().encode(options.signer.address)))
      .digest("hex");
  }

  /** Where the sources are, and what became of what is open. Called every second. */
  async connect(): Promise<void> {
    await this.#claim();
    await this.#options.pool.poll();
    await this.#resolveOpen();
    await this.#lookAtFees();
  }

  health(): VenueHealth {
    const { pool } = this.#options;
    const { answeredAtMs } = pool;
    const told = { message: pool.say(), ...(answeredAtMs === undefined ? {} : { answeredAtMs }) };
    if (this.#inUse !== undefined) return { ...told, accepts: "none", code: "ACCOUNT_IN_USE", message: this.#inUse };
    if (this.#contradiction !== undefined)
      return { ...told, accepts: "reducing", code: "VENUE_INCONSISTENT", message: this.#contradiction };
    if (pool.wrongCluster)
      return { ...told, accepts: "none", code: "CLUSTER_WRONG", message: `RpcOfAnotherCluster: ${pool.say()}` };
    if (pool.healthyCount === 0) return { ...told, accepts: "none", code: "VENUE_STALE", message: `VenueStale: ${pool.say()}` };
    return { ...told, accepts: "all" };
  }

  fees(): BrokerAccount["fees"] {
    return this.#fees;
  }

  async submit({ order, timestampMs, signal }: SubmitRequest): Promise<SubmitReply> {
    const ended = signal ?? new AbortController().signal;
    let checked: CheckedTransaction;
    try {
      checked = await this.#checkedSwap(order, ended);
    } catch (error) {
      // Nothing has been signed, so that nothing can land: a definite answer, whatever went wrong.
      if (isRefusal(error) || hasCode(error, "VENUE_UNREACHABLE"))
        return { accepted: false, reason: `${error.code}: ${error.message}` };
      throw error;
    }
    const operation = { kind: "swap", market: order.market, side: order.side } as const;
    return this.#storeAndSend({ id: order.clientOrderId, operation, timestampMs }, checked, ended);
  }

  /**
   * Moves money to an address of the allow-list, once for its id.
   *
   * @throws CodedError TRANSACTION_REFUSED, FEE_BUDGET: nothing was signed; JOURNAL_UNAVAILABLE, LOG_UNWRITABLE: ask {@link outcome}
   */
  async transfer(request: TransferRequest): Promise<SubmitReply> {
    const { id, asset, destination, timestampMs } = request;
    const existing = await this.#options.transactions.find(id);
    if (existing) return { accepted: true, order: venueOrder(existing) };
    const checked = await this.#checkedTransfer(request);
    const operation = { kind: "transfer", asset, destination } as const;
    return this.#storeAndSend({ id, operation, timestampMs }, checked, new AbortController().signal);
  }

  /** What became of an operation; undefined while nothing was signed for it. */
  outcome(operationId: string): Promise<SignedTransaction | undefined> {
    return this.#options.transactions.find(operationId);
  }

  /** Bytes that are on their way cannot be called back; they land within a minute or never. */
  async cancel(): Promise<void> {}

  async lookup({ order, aboutToSendAtMs }: SentOrder): Promise<VenueOrder | undefined> {
    const { transactions, clock } = this.#options;
    const nowMs = clock.nowMs();
    const { windowMs, marginMs } = solanaValidity;
    const found = await transactions.find(order.clientOrderId);
    if (found) return venueOrder(found);
    if (nowMs <= (aboutToSendAtMs ?? nowMs) + windowMs + marginMs) return undefined;
    const late = await transactions.forbid(order.clientOrderId, nowMs);
    return late && venueOrder(late);
  }

  async openOrders(): Promise<readonly VenueOrder[]> {
    return (await this.#options.transactions.open()).filter(({ operation }) => operation.kind === "swap").map(venueOrder);
  }

  async trades({ order }: SentOrder): Promise<readonly VenueTrade[]> {
    return (await this.#options.transactions.find(order.clientOrderId))?.trades ?? [];
  }

  /** Of this wallet's own swaps; a transaction that somebody else signed with its key shows in its balances. */
  async tradesSince(): Promise<readonly VenueTrade[]> {
    return [];
  }

  /** The journal forgets nothing. */
  async forgottenUntilMs(): Promise<number> {
    return 0;
  }

  /** Finalized balances, as fills are; the ones last seen while no source can be believed. */
  async balances(): Promise<BrokerAccount["balances"]> {
    const { pool, signer, clock } = this.#options;
    if (this.#balances && clock.nowMs() - this.#balances.atMs < balancesForMs) return this.#balances.rows;
    try {
      const states = await pool.read(async (source) => {
        const held = await source.tokenAccounts(signer.address, "finalized");
        return new Map([...held, ...(await source.accounts([signer.address], "finalized"))]);
      });
      const state = walletState(signer.address, states);
      const rows = this.#options.settings.tokens.map(({ asset, mint, decimals }) => {
        const amount = mint === wrappedSolMint ? state.freeLamports : (state.tokens.get(mint) ?? 0n);
        return { asset, free: formatDecimal(fromMinorUnits(amount, decimals)), locked: "0" };
      });
      this.#balances = { atMs: clock.nowMs(), rows };
      return rows;
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE") || !this.#balances) throw error;
      return this.#balances.rows;
    }
  }

  rules(symbol: string): MarketRules | undefined {
    const tokens = marketTokens(symbol, this.#options.settings.tokens);
    return tokens && marketRulesOf(symbol, tokens);
  }

  markets(): readonly MarketRules[] {
    const { tokens } = this.#options.settings;
    return tokens.flatMap((base) =>
      tokens.flatMap((quote) => (base === quote ? [] : marketRulesOf(`${base.asset}/${quote.asset}`, { base, quote }))),
    );
  }

  onChange(listener: (clientOrderIds: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  async recall(record: SignedRecord): Promise<void> {
    const { operationId, operation, signature, wire, blockhash, lastValidBlockHeight, feeLamports, atMs } = record;
    await this.#options.transactions.store({
      operationId,
      operation,
      signature,
      blockhash,
      atMs,
      wire: new Uint8Array(Buffer.from(wire, "base64")),
      lastValidBlockHeight: BigInt(lastValidBlockHeight),
      feeLamports: BigInt(feeLamports),
    });
  }

  async close(): Promise<void> {}

  /** One wallet is one account's. */
  async #claim(): Promise<void> {
    const { journal, clock } = this.#options;
    if (clock.nowMs() < this.#claimDueMs) return;
    try {
      await journal.claimKey(this.fingerprint);
      this.#inUse = undefined;
      this.#claimDueMs = clock.nowMs() + keyClaim.renewEveryMs;
    } catch (error) {
      // Who has the wallet renews the claim as soon as Postgres answers again: somebody may be waiting for it to fall silent.
      if (!hasCode(error, "ACCOUNT_IN_USE")) throw error;
      this.#inUse = error.message;
      this.#claimDueMs = clock.nowMs() + keyClaim.retryEveryMs;
    }
  }

  async #checkedSwap(order: FinalOrder, signal: AbortSignal): Promise<CheckedTransaction> {
    const { settings, swaps, signer, feed } = this.#options;
    const tokens = marketTokens(order.market, settings.tokens);
    if (!tokens) throw refusal(`MARKET_UNKNOWN: ${order.market} is no pair of configured tokens`);
    const verdict = planSwap(order, { ...tokens, lastPrice: feed.lastPrice(order.market) }, settings);
    if (!verdict.planned) throw refusal(verdict.reason);
    const { plan } = verdict;
    const [quote, microLamportsPerUnit] = await Promise.all([
      swaps.quote(plan.request, signal),
      this.#price(settings.maxComputeUnits, 2),
    ]);
    const poor = quoteRefusal(plan, quote);
    if (poor !== undefined) throw refusal(poor);
    const proposed = await swaps.propose({ quote, wallet: signer.address, microLamportsPerUnit }, signal);
    const checked = await signer.sign(proposed.bytes, {
      ...this.#limits(),
      input: { mint: plan.input.mint, maximum: plan.maximumInput },
      output: { mint: plan.output.mint, minimum: plan.minimumOutput },
      mints: [plan.input.mint, plan.output.mint, wrappedSolMint],
      maxComputeUnits: settings.maxComputeUnits,
      maxRentLamports: settings.maxRentLamports,
    });
    this.#contended = [...new Set([...checked.writable, ...this.#contended])].slice(0, mostFeeAccounts);
    return checked;
  }

  async #checkedTransfer({ asset, amount, destination }: TransferRequest): Promise<CheckedTransaction> {
    const { settings, signer, pool } = this.#options;
    const token = settings.tokens.find((candidate) => candidate.asset === asset);
    if (!token) throw refusal(`ASSET_UNKNOWN: ${asset} is not configured`);
    if (amount <= 0n) throw refusal("AMOUNT: nothing to move");
    const microLamportsPerUnit = await this.#price(transferComputeUnits, 1);
    const lifetime = await pool.read((source) => source.latestBlockhash());
    const plan = {
      wallet: signer.address,
      mint: token.mint,
      amount,
      computeUnits: transferComputeUnits,
      microLamportsPerUnit,
      ...lifetime,
    };
    const source = await associatedTokenAddress(signer.address, token.mint);
    const proposed = transferTransaction({ ...plan, source, destination });
    return signer.sign(proposed, {
      ...this.#limits(),
      input: { mint: token.mint, maximum: amount },
      mints: [token.mint],
      maxComputeUnits: transferComputeUnits,
      maxRentLamports: 0n,
    });
  }

  #limits(): Pick<Approval, "programs" | "destinations" | "maxFeeLamports"> {
    const { programs, destinations, fees } = this.#options.settings;
    return { programs, destinations, maxFeeLamports: fees.maxLamportsPerTransaction };
  }

  /** Micro-lamports for a compute unit. @throws CodedError FEE_BUDGET */
  async #price(computeUnits: number, signatures: number): Promise<bigint> {
    const { settings, transactions, clock } = this.#options;
    const { percentile, ...limits } = settings.fees;
    const recent = await this.#recentFees();
    const spentLamports = await transactions.spentSince(dayOf(clock.nowMs()));
    const verdict = chooseFee({ recent, percentile, computeUnits, signatures, spentLamports, limits });
    if (verdict.allowed) return verdict.microLamportsPerUnit;
    throw new CodedError<BrokerErrorCode>(
      "FEE_BUDGET",
      `${verdict.reason}: this transaction may cost ${verdict.feeLamports} lamports`,
    );
  }

  /** Nobody competes for the wallet itself, so that its own price is nearly always 0: what counts is what swaps write to besides, as the last ones did. */
  #recentFees(): Promise<readonly bigint[]> {
    const { pool, signer } = this.#options;
    const accounts = [...new Set([signer.address, ...this.#contended])].slice(0, mostFeeAccounts);
    return pool.read((source) => source.recentPriorityFees(accounts));
  }

  /** What the percentile of recent prices is, before any cap: who watches for spikes must see them. */
  async #lookAtFees(): Promise<void> {
    const { settings, pool, transactions, clock } = this.#options;
    if (clock.nowMs() < this.#feesDueMs || pool.healthyCount === 0) return;
    this.#feesDueMs = clock.nowMs() + feesEveryMs;
    try {
      const recent = await this.#recentFees();
      const spent = await transactions.spentSince(dayOf(clock.nowMs()));
      const microLamportsPerUnit = percentileOf(recent, settings.fees.percentile);
      const feeLamports = feeOf({ signatures: 1, computeUnits: usualComputeUnits, microLamportsPerUnit });
      this.#fees = {
        priorityFeeMicroLamports: Number(microLamportsPerUnit),
        feeLamports: Number(feeLamports),
        ...this.#inQuote({ fee: feeLamports, paidToday: spent }),
      };
    } catch (error) {
      // The last ones stand; the sources' health tells the rest.
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
    }
  }

  /** Lamports in the currency that SOL is traded for here; nothing without a price. */
  #inQuote(lamports: { readonly fee: bigint; readonly paidToday: bigint }): { fee?: string; paidToday?: string } {
    const { settings, feed } = this.#options;
    const sol = settings.tokens.find(({ mint }) => mint === wrappedSolMint)?.asset ?? "SOL";
    const prices = settings.tokens.flatMap(({ asset }) => feed.lastPrice(`${sol}/${asset}`) ?? []);
    const [price] = prices;
    if (price === undefined) return {};
    const worth = (amount: bigint): string => formatDecimal(multiply(fromMinorUnits(amount, solDecimals), price, "up"));
    return { fee: worth(lamports.fee), paidToday: worth(lamports.paidToday) };
  }

  async #storeAndSend(
    asked: { readonly id: string; readonly operation: Operation; readonly timestampMs: number },
    checked: CheckedTransaction,
    signal: AbortSignal,
  ): Promise<SubmitReply> {
    const { transactions, settings, sendLog, journal, clock, failPoints } = this.#options;
    const { id: operationId, operation, timestampMs } = asked;
    const atMs = clock.nowMs();
    if (signal.aborted || atMs > timestampMs + solanaValidity.windowMs)
      return { accepted: false, reason: "REQUEST_EXPIRED: it took too long to prepare; nothing was signed for good" };
    const { signature, bytes, blockhash, lastValidBlockHeight, feeLamports } = checked;
    const budget = { sinceMs: dayOf(atMs), lamports: settings.fees.dailyLamports };
    const signed = { operationId, operation, signature, wire: bytes, blockhash, lastValidBlockHeight, feeLamports, atMs };
    try {
      if (!(await transactions.store({ ...signed, budget })))
        return { accepted: false, reason: "ALREADY_DECIDED: something was signed for this operation, or never will be" };
    } catch (error) {
      if (isRefusal(error)) return { accepted: false, reason: `${error.code}: ${error.message}` };
      throw error;
    }
    await sendLog.append(signedRecord(signed, journal.writerEpoch));
    failPoints.pass("after-signed-stored");
    const wire = Buffer.from(bytes).toString("base64");
    await this.#broadcast(operationId, wire as Base64EncodedWireTransaction);
    return { accepted: true, order: venueOrder({ operationId, signature, state: "Signed", trades: [] }), trades: [] };
  }

  /**
   * What a process before this one has stored may not be in the send log: a crash between the two. Bytes leave only when they are, or an older copy of Postgres would know
   * nothing of them.
   */
  async #sendAgain(open: SignedTransaction): Promise<void> {
    const { sendLog, journal } = this.#options;
    if (!this.#sentAtMs.has(open.operationId))
      await sendLog.append(signedRecord({ ...open, atMs: open.storedAtMs }, journal.writerEpoch));
    await this.#broadcast(open.operationId, Buffer.from(open.wire).toString("base64") as Base64EncodedWireTransaction);
  }

  async #broadcast(operationId: string, wire: Base64EncodedWireTransaction): Promise<void> {
    const { pool, clock, log } = this.#options;
    this.#sentAtMs.set(operationId, clock.nowMs());
    const taken = await pool.broadcast(wire);
    if (taken === 0) log.warn({ operationId }, "no RPC source has taken a signed transaction; it will be sent again");
  }

  async #resolveOpen(): Promise<void> {
    const { transactions, log } = this.#options;
    const changed: string[] = [];
    for (const open of await transactions.open()) {
      try {
        if (await this.#resolve(open)) changed.push(open.operationId);
      } catch (error) {
        if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
        log.debug({ err: error, operationId: open.operationId }, "what became of a transaction cannot be asked now");
      }
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }

  /** One look at one open transaction; true when it has ended. */
  async #resolve(open: SignedTransaction): Promise<boolean> {
    const { pool, clock, log } = this.#options;
    const resolution = resolveAttempt(open.lastValidBlockHeight, await pool.observe(open.signature));
    const { operationId, signature } = open;
    switch (resolution.kind) {
      case "landed":
        return this.#settle(open, resolution);
      case "never": {
        log.warn({ operationId, signature, sources: resolution.sources }, "a transaction will never land");
        await this.#end(open, {
          state: "NeverLanded",
          feeLamports: 0n,
          reason: neverReason(open, resolution),
          trades: [],
          charges: [],
        });
        return true;
      }
      case "rebroadcast":
        if (clock.nowMs() - (this.#sentAtMs.get(operationId) ?? 0) >= resendEveryMs) await this.#sendAgain(open);
        return false;
      case "contradiction":
        this.#contradiction = `two RPC sources tell different endings of transaction ${signature}: a person has to look`;
        log.error({ operationId, signature }, this.#contradiction);
        return false;
      case "seen":
      case "waiting":
        return false;
    }
  }

  async #settle(open: SignedTransaction, ending: { readonly slot: bigint; readonly failed: boolean }): Promise<boolean> {
    const { pool, signer } = this.#options;
    const landed = await pool.read((source) => source.landed(open.signature));
    // Its details may come later than its status; the next look asks again.
    if (!landed || landed.slot !== ending.slot || landed.failed !== ending.failed) return false;
    const delta = walletDelta(landed, signer.address);
    const { slot, failed } = landed;
    const swap = failed ? undefined : this.#swapOf(open);
    const trades = swap ? tradesOf(swap, landed, delta) : [];
    const traded = swap && trades.length > 0 ? new Set([swap.base.mint, swap.quote.mint]) : undefined;
    const reason = failed
      ? `TRANSACTION_FAILED: it landed in slot ${slot} and failed; it cost ${delta.feeLamports} lamports`
      : undefined;
    await this.#end(open, {
      state: failed ? "Failed" : "Finalized",
      slot,
      feeLamports: delta.feeLamports,
      trades,
      charges: this.#chargesOf(landed, delta, traded),
      ...(reason === undefined ? {} : { reason }),
    });
    return true;
  }

  #swapOf({ operationId, operation }: SignedTransaction): SwapOrder | undefined {
    const tokens = operation.kind === "swap" ? marketTokens(operation.market, this.#options.settings.tokens) : undefined;
    if (operation.kind !== "swap" || !tokens) return undefined;
    return { clientOrderId: operationId, market: operation.market, side: operation.side, ...tokens };
  }

  /** What no fill tells: all of it when there is none, otherwise the assets that the market does not name. */
  #chargesOf(landed: LandedTransaction, delta: WalletDelta, traded: ReadonlySet<Address> | undefined): Ending["charges"] {
    const { tokens } = this.#options.settings;
    const charge = (kind: string, asset: string, amount: Decimal) => ({
      chargeId: `${landed.signature}#${kind}`,
      asset,
      amount: formatDecimal(amount),
      reason: kind,
      timeMs: landed.timeMs,
    });
    const cost = delta.feeLamports + delta.rentLamports;
    const paid =
      traded || cost === 0n ? [] : [charge(landed.failed ? "failed-fee" : "fee", "SOL", fromMinorUnits(cost, solDecimals))];
    const moved = [...delta.assets].flatMap(([mint, amount]) => {
      if (traded?.has(mint)) return [];
      const token = tokens.find((candidate) => candidate.mint === mint);
      // An unknown token is told by its mint, in minor units: nobody here knows its decimals.
      const asset = token?.asset ?? mint;
      return [charge(`moved-${asset}`, asset, fromMinorUnits(-amount, token?.decimals ?? 0))];
    });
    return [...paid, ...moved];
  }

  async #end(open: SignedTransaction, ending: Omit<Ending, "atMs">): Promise<void> {
    const { transactions, clock } = this.#options;
    await transactions.end(open.signature, { ...ending, atMs: clock.nowMs() });
    this.#sentAtMs.delete(open.operationId);
  }
}

function venueOrder(signed: Pick<SignedTransaction, "operationId" | "signature" | "state" | "trades" | "reason">): VenueOrder {
  const { operationId, signature, trades, reason } = signed;
  const filled = trades.reduce((sum, { quantity }) => add(sum, parseDecimal(quantity)), ZERO);
  return {
    clientOrderId: operationId,
    venueOrderId: signature,
    state: stateOf(signed),
    filledQuantity: formatDecimal(filled),
    protectiveLegs: [],
    ...(reason === undefined ? {} : { reason }),
  };
}

function stateOf({ state, trades }: Pick<SignedTransaction, "state" | "trades">): VenueOrder["state"] {
  if (state === "Signed") return "Working";
  return state === "Finalized" && trades.length > 0 ? "Filled" : "Rejected";
}

function signedRecord(signed: Omit<SignedBytes, "budget">, writerEpoch: number): SignedRecord {
  const { operationId, operation, signature, wire, blockhash, lastValidBlockHeight, feeLamports, atMs } = signed;
  return {
    kind: "signed",
    operationId,
    operation,
    signature,
    wire: Buffer.from(wire).toString("base64"),
    blockhash,
    lastValidBlockHeight: String(lastValidBlockHeight),
    feeLamports: String(feeLamports),
    writerEpoch,
    riskEpoch: 0,
    atMs,
  };
}

function neverReason(
  { lastValidBlockHeight }: SignedTransaction,
  { sources }: Extract<AttemptResolution, { kind: "never" }>,
): string {
  return `NEVER_LANDED: ${sources.join(" and ")} have finalized past height ${lastValidBlockHeight} and know nothing of it`;
}

/** Start of the UTC day. */
function dayOf(nowMs: number): number {
  return nowMs - (nowMs % dayMs);
}

function refusal(message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("TRANSACTION_REFUSED", message);
}
