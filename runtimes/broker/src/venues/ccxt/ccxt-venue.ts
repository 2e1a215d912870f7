import { type Clock, CodedError, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import { type BrokerAccount, type MarketRules, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import type { FailPoints } from "../../fail-points.ts";
import { VenueAnswer } from "../../feeds/ccxt/venue-answer.ts";
import type { MarketFeed } from "../../feeds/feed.ts";
import { keyClaim } from "../../journal/key-claim.ts";
import type {
  CancelRequest,
  ProtectiveVenue,
  SentOrder,
  SubmitReply,
  SubmitRequest,
  Venue,
  VenueHealth,
  VenueOrder,
  VenueTrade,
} from "../venue.ts";
import type { AccountClient } from "./account-client.ts";
import { CcxtProtection, neverLeft } from "./ccxt-protection.ts";
import { type MeasuredOffset, measureOffset } from "./clock-offset.ts";
import type { ExchangeDialect, PlaceReply, RawOrder, RawTrade } from "./dialects/dialect.ts";
import { type NewsChannel, NewsStream, type Socket } from "./news-stream.ts";
import { orderShape } from "./order-shape.ts";

export interface CcxtVenueOptions {
  readonly name: string;
  readonly client: AccountClient;
  readonly dialect: ExchangeDialect;
  readonly fingerprint: string;
  /** Takes the key for this account. @throws CodedError ACCOUNT_IN_USE, JOURNAL_UNAVAILABLE */
  claimKey(): Promise<void>;
  /** A test network says nothing of what a key may do. */
  readonly sandbox: boolean;
  readonly feed: MarketFeed;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly log: Logger;
  /** News of the account, and the means to hear it; absent: orders are asked about only. */
  readonly news?: { readonly channel: NewsChannel; readonly connect: (url: string) => Socket };
}

type Fault = { readonly code: BrokerErrorCode; readonly message: string };

const measureEveryMs = 60_000;
const permissionsEveryMs = 600_000;
/** A person mends what is wrong with a key; asked about again this often meanwhile. */
const faultyEveryMs = 15_000;
const pingAfterMs = 3_000;
const staleAfterMs = 10_000;
/** Half of what an asymmetric way there and back could hide; beyond it the offset counts as not measured. */
const mostUncertaintyMs = 1_000;
const historyMarginMs = 60_000;

/**
 * A spot account at a real exchange. REST is the truth; what is sent carries the time of "about to send" in the venue's clock and the window after
 * which the venue refuses it, so that the absence of an order can be proven. Decides nothing by itself: what it cannot read is VENUE_UNREACHABLE.
 */
export class CcxtVenue implements Venue {
  readonly kind = "ccxt";
  readonly holdsExpiry = false;
  readonly validity;
  readonly fingerprint: string;
  readonly cancelAllAfter?: (timeoutMs: number) => Promise<void>;
  readonly protective?: ProtectiveVenue;
  readonly #options: CcxtVenueOptions;
  readonly #listeners: ((clientOrderIds: readonly string[]) => void)[] = [];
  readonly #due = { measure: 0, claim: 0, permissions: 0 };
  #offset: MeasuredOffset | undefined;
  #claimed = false;
  #permitted = false;
  #fault: Fault | undefined;
  readonly #news: NewsStream | undefined;

  constructor(options: CcxtVenueOptions) {
    this.#options = options;
    this.validity = options.dialect.validity;
    this.fingerprint = options.fingerprint;
    const { dialect, client, news, clock, log } = options;
    if (news)
      this.#news = new NewsStream({
        ...news,
        venueTimeMs: () => clock.nowMs() + client.offsetMs,
        heard: (ids) => this.#hint(ids),
        clock,
        log,
      });
    if (dialect.legs)
      this.protective = new CcxtProtection({
        ask: client.ask,
        dialect,
        legs: dialect.legs,
        feed: options.feed,
        failPoints: options.failPoints,
        offsetMs: () => this.#offset?.offsetMs,
        read: (call) => this.#read(call),
        refused: (reply) => void this.#refused({ accepted: false, ...reply }),
        trade: (raw, of) => this.#trade(raw, of),
      });
    if (dialect.cancelAllAfter)
      this.cancelAllAfter = (timeoutMs) => this.#read(async () => dialect.cancelAllAfter?.(client.ask, timeoutMs));
  }

  async connect(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (this.#options.client.limiter.pausedUntilMs > nowMs) return;
    if (nowMs >= this.#due.claim && !(await this.#judged(() => this.#claim()))) return;
    if (nowMs >= this.#due.measure) await this.#measure();
    if (nowMs >= this.#due.permissions && !(await this.#judged(() => this.#checkPermissions()))) return;
    if (nowMs - (this.#options.client.answeredAtMs ?? 0) > pingAfterMs) await this.#serverTimeMs();
  }

  health(): VenueHealth {
    const { client, clock, name } = this.#options;
    const nowMs = clock.nowMs();
    const { answeredAtMs } = client;
    const seen = {
      ...(this.#offset ? { clockOffsetMs: this.#offset.offsetMs } : {}),
      ...(answeredAtMs === undefined ? {} : { answeredAtMs }),
    };
    const none = (code: BrokerErrorCode, message: string): VenueHealth => ({ accepts: "none", code, message, ...seen });
    if (this.#fault) return none(this.#fault.code, this.#fault.message);
    const offset = this.#offset;
    if (offset && Math.abs(offset.offsetMs) > this.validity.windowMs / 2)
      return none("CLOCK_OFFSET", this.#offsetMessage(offset));
    if (!this.#claimed || !this.#permitted || !offset) return none("VENUE_STALE", `VenueStale: ${name} has not answered yet`);
    const pausedMs = client.limiter.pausedUntilMs - nowMs;
    if (pausedMs > 0)
      return none("VENUE_STALE", `VenueStale: ${name} wants no requests for another ${Math.ceil(pausedMs / 1_000)} s`);
    const silentMs = nowMs - (answeredAtMs ?? 0);
    if (silentMs <= staleAfterMs) return { accepts: "all", message: `${name} answers`, ...seen };
    const message = `VenueStale: ${name} has not answered for ${Math.round(silentMs / 1_000)} s`;
    return { accepts: "reducing", code: "VENUE_STALE", message, ...seen };
  }

  async submit({ order, timestampMs }: SubmitRequest): Promise<SubmitReply> {
    const { dialect, client, feed, failPoints } = this.#options;
    const rules = feed.rules(order.market);
    if (!rules) return { accepted: false, reason: `MARKET_UNKNOWN: ${order.market} is not listed any more` };
    const offset = this.#offset;
    if (!offset) return { accepted: false, reason: "CLOCK_OFFSET: the venue's clock is not known" };
    if (!this.protective && (order.stopLoss !== undefined || order.takeProfit !== undefined))
      return { accepted: false, reason: "ORDER_NOT_SUPPORTED: no stops can rest at this exchange" };
    let reply: PlaceReply;
    try {
      reply = await dialect.place(client.ask, {
        ...orderShape(order, rules, feed.lastPrice(order.market)),
        marketId: dialect.marketId(order.market),
        clientId: order.clientOrderId,
        timestampMs: timestampMs + offset.offsetMs,
      });
    } catch (error) {
      const reason = neverLeft(error);
      if (reason === undefined) throw error;
      return { accepted: false, reason };
    }
    if (reply.accepted) failPoints.pass("after-venue-accept");
    if (!reply.accepted) return this.#refused(reply);
    if (reply.outdated === true) this.#hint([order.clientOrderId]);
    const trades = reply.trades?.map((trade) => this.#trade(trade, { clientOrderId: order.clientOrderId, market: order.market }));
    return {
      accepted: true,
      order: this.#order(reply.order, order.clientOrderId),
      ...(trades ? { trades: unique(trades) } : {}),
    };
  }

  async cancel({ order }: CancelRequest): Promise<void> {
    const { dialect, client } = this.#options;
    await this.#read(() =>
      dialect.cancel(client.ask, { marketId: dialect.marketId(order.market), clientId: order.clientOrderId }),
    );
  }

  async lookup({ order }: SentOrder): Promise<VenueOrder | undefined> {
    const { dialect, client } = this.#options;
    const query = { marketId: dialect.marketId(order.market), clientId: order.clientOrderId };
    const raw = await this.#read(() => dialect.find(client.ask, query));
    return raw && this.#order(raw, order.clientOrderId);
  }

  async openOrders(): Promise<readonly VenueOrder[]> {
    const { dialect, client } = this.#options;
    const rows = await this.#read(() => dialect.open(client.ask));
    return rows.map((raw) => this.#order(raw, raw.clientId === "" ? `${raw.marketId}-${raw.venueOrderId}` : raw.clientId));
  }

  async trades({ order, venueOrderId, aboutToSendAtMs }: SentOrder): Promise<readonly VenueTrade[]> {
    const { dialect, client } = this.#options;
    const marketId = dialect.marketId(order.market);
    const known =
      venueOrderId ??
      (
        await this.#read(() =>
          dialect.findInHistory(client.ask, {
            marketId,
            clientId: order.clientOrderId,
            sinceMs: Math.max(0, (aboutToSendAtMs ?? 0) - historyMarginMs),
          }),
        )
      )?.venueOrderId;
    if (known === undefined) return [];
    const rows = await this.#read(() => dialect.tradesOf(client.ask, { marketId, venueOrderId: known }));
    return unique(rows.map((raw) => this.#trade(raw, { clientOrderId: order.clientOrderId, market: order.market })));
  }

  async tradesSince(sinceMs: number): Promise<readonly VenueTrade[]> {
    const { dialect, client, feed } = this.#options;
    const found: VenueTrade[] = [];
    for (const { symbol } of feed.markets()) {
      const rows = await this.#read(() => dialect.tradesSince(client.ask, { marketId: dialect.marketId(symbol), sinceMs }));
      found.push(
        ...rows.map((raw) => this.#trade(raw, { clientOrderId: `${raw.marketId}-${raw.venueOrderId}`, market: symbol })),
      );
    }
    return unique(found);
  }

  async forgottenUntilMs(): Promise<number> {
    return this.#options.dialect.forgottenUntilMs(this.#options.clock.nowMs());
  }

  async balances(): Promise<BrokerAccount["balances"]> {
    const { dialect, client } = this.#options;
    // Without a key that may be used there is nothing to be asked, and why is told by the health.
    if (!this.#permitted) return [];
    const rows = await this.#read(() => dialect.balances(client.ask));
    return rows.map(({ asset, free, locked }) => ({ asset, free: canonical(free), locked: canonical(locked) }));
  }

  rules(symbol: string): MarketRules | undefined {
    return this.#options.feed.rules(symbol);
  }

  markets(): readonly MarketRules[] {
    return this.#options.feed.markets();
  }

  onChange(listener: (clientOrderIds: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  /** After the answer has been recorded: a hint that came first would find an order that has not been sent. */
  #hint(clientOrderIds: readonly string[]): void {
    this.#options.clock.setTimeout(() => {
      for (const listener of this.#listeners) listener(clientOrderIds);
    }, 0);
  }

  async close(): Promise<void> {
    this.#news?.close();
  }

  /** A fault that a person has to mend stands until it is gone. @returns whether there is none */
  async #judged(check: () => Promise<void>): Promise<boolean> {
    try {
      await check();
      return true;
    } catch (error) {
      if (!hasCode<BrokerErrorCode>(error) || error.code === "VENUE_UNREACHABLE" || error.code === "JOURNAL_UNAVAILABLE")
        throw error;
      if (error.code === "WRITER_FENCED") throw error;
      if (this.#fault?.code !== error.code) this.#options.log.error({ err: error }, "the account cannot be traded on");
      this.#fault = { code: error.code, message: error.message.slice(0, 500) };
      return false;
    }
  }

  async #claim(): Promise<void> {
    const { clock } = this.#options;
    // Who has the key renews it as soon as Postgres answers again: somebody may be waiting for it to fall silent.
    if (!this.#claimed) this.#due.claim = clock.nowMs() + keyClaim.retryEveryMs;
    await this.#options.claimKey();
    if (this.#fault?.code === "ACCOUNT_IN_USE") this.#fault = undefined;
    this.#claimed = true;
    this.#due.claim = clock.nowMs() + keyClaim.renewEveryMs;
  }

  async #checkPermissions(): Promise<void> {
    const { clock, dialect, client, sandbox, name } = this.#options;
    this.#due.permissions = clock.nowMs() + faultyEveryMs;
    if (!sandbox) {
      const { mayTrade, mayWithdraw } = await this.#permissions();
      if (mayWithdraw)
        throw fault(
          "WITHDRAWAL_PERMITTED",
          `WithdrawalPermitted: the key may withdraw from ${name}; make one that can only trade`,
        );
      if (!mayTrade) throw fault("CREDENTIALS_REFUSED", `CredentialsRefused: the key may not trade on ${name}`);
    } else await this.#authorised(() => dialect.balances(client.ask));
    this.#fault = undefined;
    this.#permitted = true;
    this.#news?.start();
    this.#due.permissions = clock.nowMs() + permissionsEveryMs;
  }

  #permissions(): Promise<{ mayTrade: boolean; mayWithdraw: boolean }> {
    const { dialect, client } = this.#options;
    return this.#authorised(() => dialect.permissions(client.ask));
  }

  /** A signed read whose refusal speaks of the key (or of the clock, which is measured elsewhere). */
  async #authorised<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof VenueAnswer)) throw error;
      const { name, dialect } = this.#options;
      if (dialect.clockRefusal(error.code)) {
        this.#due.measure = 0;
        throw fault("VENUE_UNREACHABLE", `${name} does not take our clock: ${error.code} ${error.venueMessage}`);
      }
      const message = `CredentialsRefused: ${name} does not take the key: ${error.code} ${error.venueMessage}`;
      throw fault("CREDENTIALS_REFUSED", message.slice(0, 500));
    }
  }

  async #measure(): Promise<void> {
    const { clock, log, name } = this.#options;
    const measured = await measureOffset(clock, () => this.#serverTimeMs());
    if (measured.uncertaintyMs > mostUncertaintyMs) {
      log.warn({ ...measured }, "the venue answers too slowly to tell its clock");
      if (!this.#offset) return;
    } else {
      this.#offset = measured;
      this.#options.client.offsetMs = measured.offsetMs;
    }
    this.#due.measure = clock.nowMs() + measureEveryMs;
    if (Math.abs(measured.offsetMs) > this.validity.windowMs / 2) {
      log.error({ venue: name, ...measured }, "the venue's clock and ours are too far apart to send anything");
      this.#due.measure = clock.nowMs() + pingAfterMs;
    }
  }

  #serverTimeMs(): Promise<number> {
    const { dialect, client } = this.#options;
    return this.#read(() => dialect.serverTimeMs(client.ask));
  }

  #offsetMessage({ offsetMs }: MeasuredOffset): string {
    const { name } = this.#options;
    const most = this.validity.windowMs / 2;
    return `ClockOffset: the clock of ${name} is ${offsetMs} ms from ours, at most ${most} ms are taken`;
  }

  /** What refuses an order for its clock or key refuses the next one, too: looked at afresh at once. */
  #refused({ reason, fault: kind }: Extract<PlaceReply, { accepted: false }>): SubmitReply {
    if (kind === "clock") this.#due.measure = 0;
    if (kind === "credentials") this.#due.permissions = 0;
    return { accepted: false, reason };
  }

  /** A refusal that the dialect has not read says nothing of what was asked for. */
  async #read<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (hasCode(error)) throw error;
      if (error instanceof VenueAnswer && this.#options.dialect.clockRefusal(error.code)) this.#due.measure = 0;
      const message = `${this.#options.name} gave no answer that can be read: ${messageOf(error).slice(0, 300)}`;
      throw new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", message, { cause: error });
    }
  }

  #order(raw: RawOrder, clientOrderId: string): VenueOrder {
    return {
      clientOrderId,
      venueOrderId: raw.venueOrderId,
      state: raw.state,
      filledQuantity: canonical(raw.filledQuantity),
      protectiveLegs: [],
      ...(raw.reason === undefined ? {} : { reason: raw.reason }),
    };
  }

  #trade(raw: RawTrade, { clientOrderId, market }: { clientOrderId: string; market: string }): VenueTrade {
    return {
      tradeId: raw.tradeId,
      clientOrderId,
      market,
      side: raw.side,
      quantity: canonical(raw.quantity),
      price: canonical(raw.price),
      fee: canonical(raw.fee),
      feeAsset: raw.feeAsset,
      time: raw.timeMs,
      leg: "entry",
    };
  }
}

/** Venues report in pages that overlap, twice, and in any order: each trade counts once, oldest first. */
function unique(trades: readonly VenueTrade[]): readonly VenueTrade[] {
  const byId = new Map(trades.map((trade) => [trade.tradeId, trade]));
  return [...byId.values()].sort((a, b) => a.time - b.time || (a.tradeId < b.tradeId ? -1 : 1));
}

function canonical(amount: string): string {
  return formatDecimal(parseDecimal(amount));
}

function fault(code: BrokerErrorCode, message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>(code, message);
}
