import { type Clock, CodedError, type Logger, messageOf } from "@bellwether/service-kit";
import { type BrokerAccount, type MarketRules, type WireBar, canonicalOrder } from "@bellwether/trading";
import type { FramedLog } from "../../durable/framed-log.ts";
import type { BrokerErrorCode } from "../../errors.ts";
import type { FailPoints } from "../../fail-points.ts";
import type {
  CancelRequest,
  PlayedVenue,
  SentOrder,
  SubmitReply,
  SubmitRequest,
  Venue,
  VenueHealth,
  VenueOrder,
  VenueTrade,
} from "../venue.ts";
import { PaperBook, type PaperSettings, type StoredCommand } from "./paper-book.ts";
import { beginGeneration, readPaperState } from "./paper-log.ts";

/** What the paper venue must know of the market it plays. */
interface PaperMarket {
  marketTimeMs(): number;
  /** The replay has reached its last bar: nothing can fill any more. */
  ended(): boolean;
  rules(symbol: string): MarketRules | undefined;
  markets(): readonly MarketRules[];
}

export interface PaperVenueOptions {
  readonly directory: string;
  readonly accountUid: string;
  readonly account: string;
  readonly settings: PaperSettings;
  /** What the account holds at its very first start. */
  readonly balances: readonly { asset: string; amount: string }[];
  readonly market: PaperMarket;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly log: Logger;
}

/** As Binance's default `recvWindow`, and what clocks and networks may add. */
export const paperValidity = { windowMs: 5_000, marginMs: 1_000 };
/** Clocks step back a little; a market that has been replaced by an older one is years behind, and would never fill anything. */
const mostBehindMs = 3_600_000;
const generationBytes = 4 * 1024 * 1024;

/**
 * The exchange of a paper account. It lives in the broker's process and behaves as if it did not: what it has accepted is on its own log before
 * it answers, and a broker that dies in between finds the order there by asking, as it would at a real exchange.
 *
 * Like one it refuses a client order id only while an order with it is open.
 */
export class PaperVenue implements Venue, PlayedVenue {
  readonly kind = "paper";
  readonly validity = paperValidity;
  readonly holdsExpiry = true;
  readonly played = this;
  readonly #options: PaperVenueOptions;
  readonly #book: PaperBook;
  readonly #listeners: ((clientOrderIds: readonly string[]) => void)[] = [];
  /** The last bar of each market that met no order and was not logged: the next record takes it along, so that a replay sees the same prices. */
  readonly #unlogged = new Map<string, WireBar>();
  #log: FramedLog;
  #generation: number;
  #tail: Promise<unknown> = Promise.resolve();
  /** After a failed write nobody knows what is on the disk: the venue answers nothing more, reads included, until a restart has read it. */
  #broken: unknown;

  private constructor(options: PaperVenueOptions, opened: { book: PaperBook; log: FramedLog; generation: number }) {
    this.#options = options;
    this.#book = opened.book;
    this.#log = opened.log;
    this.#generation = opened.generation;
  }

  /** @throws CodedError LOG_CORRUPT, PAPER_STATE_CHANGED */
  static async open(options: PaperVenueOptions): Promise<PaperVenue> {
    const { directory, accountUid, account, settings, failPoints } = options;
    const stored = await readPaperState(directory);
    const book =
      stored.snapshot === undefined
        ? new PaperBook({ accountUid, account, settings })
        : PaperBook.restore(stored.snapshot, { accountUid, account });
    for (const frame of stored.frames) book.apply(JSON.parse(frame) as StoredCommand[]);
    if (stored.snapshot === undefined)
      book.apply(options.balances.map(({ asset, amount }) => ({ type: "deposit", asset, amount })));
    book.changeSettings(settings);
    const generation = stored.number + 1;
    const log = await beginGeneration(directory, { number: generation, snapshot: book.snapshot(), failPoints });
    return new PaperVenue(options, { book, log, generation });
  }

  /** It is here: there is nobody to connect to. */
  async connect(): Promise<void> {}

  health(): VenueHealth {
    if (this.#broken === undefined) return { accepts: "all", message: "takes writes" };
    return { accepts: "none", restart: true, message: "a write failed: the logs have to be read afresh" };
  }

  submit({ order, timestampMs }: SubmitRequest): Promise<SubmitReply> {
    return this.#exclusive(async () => {
      const { clock, market, failPoints } = this.#options;
      const ageMs = clock.nowMs() - timestampMs;
      if (ageMs > paperValidity.windowMs)
        return { accepted: false, reason: `REQUEST_EXPIRED: the request arrived ${ageMs} ms after its time stamp` };
      if (market.ended()) return { accepted: false, reason: "MARKET_DATA_ENDED: the replay has reached its last bar" };
      const behindMs = this.#book.marketTime - market.marketTimeMs();
      if (behindMs > mostBehindMs) return { accepted: false, reason: this.#behind(behindMs) };
      const commands: readonly StoredCommand[] = [
        ...this.#marketCommand(order.market),
        ...this.#unloggedBars(),
        { type: "place", order: canonicalOrder(order), at: this.#marketTime(), sentAt: timestampMs },
      ];
      const refusal = this.#book.tried(commands).find((event) => event.type === "refused");
      if (refusal?.type === "refused") {
        if (refusal.reason === "DUPLICATE_CLIENT_ORDER_ID")
          throw unreachable("an order with this client order id is open", undefined);
        return { accepted: false, reason: `${refusal.reason}: ${refusal.message}` };
      }
      await this.#commit(commands);
      failPoints.pass("after-venue-accept");
      const accepted = this.#book.order(order.clientOrderId);
      if (!accepted) throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "an accepted order is not in the book");
      return { accepted: true, order: accepted };
    });
  }

  cancel({ order: { clientOrderId }, legs }: CancelRequest): Promise<void> {
    return this.#exclusive(async () => {
      // The pure venue ends the entry first, and the legs only when asked again.
      for (let round = 0; round < 2; round += 1) {
        const order = this.#book.order(clientOrderId);
        if (!order || (order.state !== "Working" && (legs === "entry" || order.protectiveLegs.length === 0))) return;
        await this.#commit([...this.#unloggedBars(), { type: "cancel", clientOrderId, at: this.#marketTime() }]);
      }
    });
  }

  async lookup({ order }: SentOrder): Promise<VenueOrder | undefined> {
    return this.#exclusive(async () => this.#book.order(order.clientOrderId));
  }

  async openOrders(): Promise<readonly VenueOrder[]> {
    return this.#exclusive(async () => this.#book.openOrders());
  }

  async trades({ order }: SentOrder): Promise<readonly VenueTrade[]> {
    return this.#exclusive(async () => this.#book.tradesOf(order.clientOrderId));
  }

  async tradesSince(sinceMs: number): Promise<readonly VenueTrade[]> {
    return this.#exclusive(async () => this.#book.tradesSince(sinceMs));
  }

  async forgottenUntilMs(): Promise<number> {
    return this.#exclusive(async () => this.#book.forgottenUntil);
  }

  async balances(): Promise<BrokerAccount["balances"]> {
    return this.#exclusive(async () => [...this.#book.balances]);
  }

  rules(symbol: string): MarketRules | undefined {
    return this.#options.market.rules(symbol);
  }

  markets(): readonly MarketRules[] {
    return this.#options.market.markets();
  }

  onChange(listener: (clientOrderIds: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  resumeAfter(market: string): number | undefined {
    return this.#book.hasOrders(market) ? (this.#book.processedUntil(market) ?? 0) : undefined;
  }

  waitingMarkets(): readonly string[] {
    return this.#book.waitingMarkets();
  }

  onBar(market: string, bar: WireBar): Promise<void> {
    return this.#exclusive(async () => {
      const last = this.#book.processedUntil(market);
      if (last !== undefined && bar.time <= last) return;
      if (this.#book.hasOrders(market)) {
        this.#unlogged.delete(market);
        await this.#commit([...this.#unloggedBars(), { type: "bar", market, bar }]);
        return;
      }
      // Nobody waits for it: it changes nothing but the last price.
      this.#book.apply([{ type: "bar", market, bar }]);
      this.#unlogged.set(market, bar);
    });
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#log.close();
  }

  async #commit(commands: readonly StoredCommand[]): Promise<void> {
    try {
      await this.#log.append(JSON.stringify(commands));
      const { changed } = this.#book.apply(commands);
      this.#unlogged.clear();
      if (this.#log.bytes > generationBytes) await this.#nextGeneration();
      if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
    } catch (error) {
      this.#broken = error;
      this.#options.log.error({ err: error }, "the paper venue's volume does not take writes");
      throw unreachable(`the paper venue's volume does not take writes: ${messageOf(error)}`, error);
    }
  }

  async #nextGeneration(): Promise<void> {
    const { directory, failPoints } = this.#options;
    const full = this.#log;
    const number = this.#generation + 1;
    this.#log = await beginGeneration(directory, { number, snapshot: this.#book.snapshot(), failPoints });
    this.#generation = number;
    await full.close();
  }

  /** Market time never runs backwards, whatever the wall clock does. */
  #marketTime(): number {
    return Math.max(this.#book.marketTime, this.#options.market.marketTimeMs());
  }

  #behind(behindMs: number): string {
    const until = new Date(this.#book.marketTime).toISOString();
    return `MARKET_TIME_BEHIND: the account has traded until ${until}, its market is ${Math.round(behindMs / 60_000)} minutes before that`;
  }

  #marketCommand(symbol: string): readonly StoredCommand[] {
    const rules = this.#options.market.rules(symbol);
    if (!rules || JSON.stringify(this.#book.rules(symbol)) === JSON.stringify(rules)) return [];
    return [{ type: "market", rules }];
  }

  #unloggedBars(): readonly StoredCommand[] {
    return [...this.#unlogged].map(([market, bar]) => ({ type: "bar", market, bar }));
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(() => {
      if (this.#broken !== undefined) throw unreachable("the paper venue has to be restarted", this.#broken);
      return work();
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }
}

function unreachable(message: string, cause: unknown): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", message, { cause });
}
