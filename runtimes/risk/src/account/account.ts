import type { JournalDatabase, Transaction } from "@bellwether/postgres";
import { type Check, type Clock, CodedError, Dependency, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  FEE_WINDOW_MS,
  type FeeHistory,
  type MarketTerms,
  marketTerms,
  parseDecimal,
  quotedFee,
  withQuote,
} from "@bellwether/trading";
import type { RiskErrorCode } from "../errors.ts";
import { type WriterEpoch, requireEpoch } from "../journal/epoch.ts";
import { storeReleases } from "../journal/order-records.ts";
import { type VenueCursor, readVenueChanges, venueRecordsExist, venueStart } from "../journal/venue-records.ts";
import { AccountBook, type BookFill, type BookOrder } from "../portfolio/book.ts";
import type { Broker } from "../venue/broker.ts";
import { CloseHistory } from "./close-history.ts";
import { foldCharges, loadBook } from "./load-book.ts";
import { Mutex } from "./mutex.ts";

export interface AccountOptions {
  readonly accountUid: string;
  readonly name: string;
  readonly epoch: WriterEpoch;
  readonly database: JournalDatabase;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the broker's journal brought, in its order; called after the book has taken it in. */
  readonly onChanges: (changes: { fills: readonly BookFill[]; orders: readonly BookOrder[] }) => void;
  /** Another process writes for this policy: this one must end. */
  readonly onSuperseded: (error: Error) => void;
}

/** Decisions that may wait for one account; more are told to come back. */
const longestQueue = 200;
const storeEndsEveryMs = 500;

/**
 * One account: its book, and the one way to read and write it. Everything that looks at the book to decide something runs in `exclusive`, one at a time;
 * everything it writes carries the writer epoch and the account's row lock. When the outcome of a write is unknown the book is dropped and folded again.
 */
export class Account {
  readonly accountUid: string;
  readonly name: string;
  readonly broker: Broker;
  readonly inFlight = new Set<string>();
  readonly #options: AccountOptions;
  readonly #mutex = new Mutex();
  readonly #venue: Dependency;
  #book: AccountBook;
  #cursor: VenueCursor = venueStart;
  #chargesRead = 0;
  #endsStoredMs = Number.NEGATIVE_INFINITY;
  #stale = true;
  #opened = false;
  #venueRecords = false;
  #venueState: BrokerAccount | undefined;
  #terms = new Map<string, MarketTerms>();
  #marketTimeMs = 0;
  #endedMessage: string | undefined;
  /** Closes that volatility is reckoned from. */
  readonly closes = new CloseHistory();
  #feeHistory: FeeHistory = [];
  /** Why nothing may be ordered: journal and venue differ. */
  heldMessage: string | undefined;
  /** Journal and venue have been compared since this process began. Until then nobody knows whether the account was held before, and is to be again. */
  compared = false;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.accountUid = options.accountUid;
    this.name = options.name;
    this.broker = options.broker;
    this.#book = new AccountBook(options.accountUid, options.name);
    this.#venue = new Dependency(`broker ${options.name}`, () => options.clock.nowMs());
  }

  /** The fold as of the last read; for views. Decisions use the one that `exclusive` hands out. */
  get book(): AccountBook {
    return this.#book;
  }

  /** False until the book has been folded, and again after a write of unknown outcome. */
  get loaded(): boolean {
    return !this.#stale;
  }

  /** Opening balances are in the journal. */
  get opened(): boolean {
    return this.#opened;
  }

  /** The broker has made its tables. */
  get hasVenueRecords(): boolean {
    return this.#venueRecords;
  }

  /** The last answer of the broker; undefined before the first. */
  get venueState(): BrokerAccount | undefined {
    return this.#venueState;
  }

  get venueReachable(): boolean {
    return this.#venue.ok;
  }

  /** Market time as far as it is known here; 0 before the first bar or answer. */
  get marketTimeMs(): number {
    return this.#marketTimeMs;
  }

  /** Why no more bars come, once they have ended. */
  get endedMessage(): string | undefined {
    return this.#endedMessage;
  }

  /** What the venue asked for transactions in the last hour; empty where it asks for nothing. */
  get feeHistory(): FeeHistory {
    return this.#feeHistory;
  }

  get queueLength(): number {
    return this.#mutex.depth;
  }

  venueCheck(): Check {
    return this.#venue.check();
  }

  terms(market: string): MarketTerms | undefined {
    return this.#terms.get(market);
  }

  markEnded(message: string): void {
    this.#endedMessage = message;
  }

  advanceMarketTime(timeMs: number): void {
    this.#marketTimeMs = Math.max(this.#marketTimeMs, timeMs);
  }

  markOpened(): void {
    this.#opened = true;
  }

  /** Asks the broker how it is; keeps feed state, market time and market rules. */
  async askVenue(): Promise<BrokerAccount | undefined> {
    const startedMs = this.#options.clock.nowMs();
    try {
      const state = await this.broker.account();
      this.#venueState = state;
      this.advanceMarketTime(state.marketTime);
      this.#terms = new Map(state.markets.map((rules) => [rules.symbol, marketTerms(rules)]));
      this.#endedMessage = state.feed.state === "ended" ? state.feed.message || "the market data has ended" : undefined;
      this.#rememberFee(state);
      this.#venue.up("answers", this.#options.clock.nowMs() - startedMs);
      return state;
    } catch (error) {
      if (this.#venue.ok) this.#options.log.warn({ err: error, account: this.name }, "the broker does not answer");
      this.#venue.down(messageOf(error));
      return undefined;
    }
  }

  #rememberFee({ fees }: BrokerAccount): void {
    const { gasPriceGwei, priorityFeeMicroLamports } = fees ?? {};
    const price = gasPriceGwei === undefined ? undefined : parseDecimal(gasPriceGwei);
    const fee = quotedFee({ gasPriceGwei: price, priorityFeeMicroLamports });
    if (fee === undefined) return;
    this.#feeHistory = withQuote(this.#feeHistory, fee, { timeMs: this.#options.clock.nowMs(), windowMs: FEE_WINDOW_MS });
  }

  /**
   * Runs `work` alone on this account, on a book that is folded and up to date with the broker's journal.
   *
   * @param catchUp `itself`: work calls `catchUp` before it looks at the book, in a transaction of its own
   */
  exclusive<T>(work: (book: AccountBook) => Promise<T>, catchUp: "before" | "itself" = "before"): Promise<T> {
    if (this.#mutex.depth >= longestQueue) {
      const message = `more than ${longestQueue} calls wait for account ${this.name}`;
      return Promise.reject(new CodedError<RiskErrorCode>("JOURNAL_UNAVAILABLE", message));
    }
    return this.#mutex.run(async () => {
      if (this.#stale) await this.#reload();
      if (catchUp === "before") await this.catchUp(this.#options.database);
      return work(this.#book);
    });
  }

  /**
   * A write transaction of this account: epoch first, then the account's row. Call it within `exclusive` only.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE (outcome unknown: the book will be folded again), EPOCH_LOST
   */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#underEpoch(async (transaction, epochHeld) => {
      const held = Promise.all([
        epochHeld,
        transaction.query("select 1 from risk.accounts where account_uid = $1 for update", [this.accountUid]),
      ]);
      // Its first statements travel with the two above and are executed after them. Nothing of it may still run when the connection is given back.
      const working = work(transaction);
      await Promise.allSettled([held, working]);
      await held;
      return working;
    });
  }

  /**
   * Writes down what the book knows already and a restart finds again elsewhere: marks, releases. Under the writer epoch, but without the account's row, and to
   * be called outside of `exclusive`: no decision waits for its commit.
   *
   * @throws CodedError JOURNAL_UNAVAILABLE, EPOCH_LOST
   */
  note(work: (transaction: Transaction) => Promise<void>): Promise<void> {
    return this.#underEpoch(async (transaction, epochHeld) => {
      await epochHeld;
      await work(transaction);
    });
  }

  async #underEpoch<T>(work: (transaction: Transaction, epochHeld: Promise<void>) => Promise<T>): Promise<T> {
    const { database, epoch, onSuperseded } = this.#options;
    try {
      return await database.transaction((transaction) => work(transaction, requireEpoch(transaction, epoch)));
    } catch (error) {
      if (hasCode(error, "JOURNAL_UNAVAILABLE")) this.#stale = true;
      if (hasCode(error, "EPOCH_LOST")) onSuperseded(error);
      throw error;
    }
  }

  /** The broker has seen a higher epoch than ours: another risk has taken over, or the journal came back from a copy that has forgotten some. */
  superseded(error: Error): void {
    this.#options.onSuperseded(error);
  }

  /** What was folded is not all there is to an order: the next look starts from nothing. */
  foldAgain(): void {
    this.#stale = true;
  }

  /** Takes in what the broker has recorded since the last look. Within `exclusive` only; inside a write, pass its transaction. */
  async catchUp(reader: Transaction): Promise<void> {
    if (!this.#venueRecords) {
      this.#venueRecords = await venueRecordsExist(reader);
      if (!this.#venueRecords) return;
    }
    for (let more = true; more;) {
      const changes = await readVenueChanges(reader, this.accountUid, this.#cursor);
      for (const fill of changes.fills) this.#book.applyFill(fill);
      const orders = changes.orders.flatMap((row) => this.#book.applyVenueOrder(row) ?? []);
      ({ cursor: this.#cursor, more } = changes);
      if (changes.fills.length > 0 || orders.length > 0) this.#options.onChanges({ fills: changes.fills, orders });
    }
    // Only chains charge without a fill; nobody else is asked.
    for (let more = this.#venueState?.kind === "solana"; more;)
      ({ read: this.#chargesRead, more } = await foldCharges(reader, this.#book, this.#chargesRead));
  }

  /**
   * Writes down the releases that the broker's journal has brought: those of half a second together. The book has taken them in already, and a restart finds
   * them in the broker's rows, so that none of them is worth a commit of its own. `now`: something is about to be written that rests on them.
   */
  async storeEnds(when: "together" | "now" = "together"): Promise<void> {
    const ended = this.#book.unstoredReleases();
    const nowMs = this.#options.clock.nowMs();
    if (this.#stale || ended.length === 0 || (when === "together" && nowMs - this.#endsStoredMs < storeEndsEveryMs)) return;
    this.#endsStoredMs = nowMs;
    const ends = ended.map(({ order, state, reason }) => ({ clientOrderId: order.clientOrderId, state, reason }));
    await this.note((transaction) => storeReleases(transaction, ends));
    for (const order of ended) order.releaseStored = true;
  }

  async #reload(): Promise<void> {
    const { book, cursor, opened, venueKnown } = await loadBook(this.#options.database, this.accountUid, this.name);
    // Marks come from bars, too: those since the last write are newer than the journal's.
    for (const [market, mark] of this.#book.marks()) book.setMark(market, mark);
    this.#book = book;
    this.#cursor = cursor;
    this.#chargesRead = 0;
    this.#opened = opened;
    this.#venueRecords = venueKnown;
    this.#stale = false;
  }
}
