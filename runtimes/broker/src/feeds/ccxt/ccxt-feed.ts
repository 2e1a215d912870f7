import { type Clock, CodedError, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type Decimal,
  type MarketRules,
  type WireBar,
  barOpening,
  decimalFromNumber,
  timeframeMs,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import { type BarsQuery, type FeedRunOptions, type FeedSink, type MarketFeed, watchLimit } from "../feed.ts";
import { type Candle, type PublicExchange, limitedPauseMs } from "./public-exchange.ts";

export interface CcxtFeedOptions {
  readonly exchange: PublicExchange;
  readonly markets: readonly { symbol: string; timeframe: string }[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the paper venue matches with. */
const baseTimeframe = "1m";
const baseMs = 60_000;
/** A candle is asked for this long after its end: exchanges need a moment to close it. */
const settleMs = 1_500;
/** Asked for again when it was not there yet. */
const lateMs = 1_000;
const longestLateMs = 10_000;
const longestRetryMs = 30_000;
const pageLimit = 500;
/** Without a new base bar for this long the market counts as stale. */
const staleAfterMs = 3 * baseMs;
const resyncClockMs = 600_000;
/** Longest outage an open order is matched through afterwards. */
const longestCatchUpMs = 7 * 86_400_000;

/** One timeframe of one market, polled when its next candle is due. */
interface Series {
  readonly symbol: string;
  readonly timeframe: string;
  readonly frameMs: number;
  /** Opening time of the last closed candle that was delivered. */
  lastMs: number;
  dueMs: number;
  failures: number;
  /** Polls in a row that found nothing new. */
  late: number;
  /** Candles opening before this are not announced: they closed while nobody listened. */
  readonly announceFromMs: number;
  /** Announced on the stream; the base series of a market is polled even if nobody asked for it. */
  announced: boolean;
}

/** Live closed candles of an exchange by polling its public REST interface: no key, no WebSocket, every gap noticed. */
export class CcxtFeed implements MarketFeed {
  readonly #options: CcxtFeedOptions;
  readonly #series = new Map<string, Series>();
  readonly #lastClose = new Map<string, number>();
  /** Every symbol somebody has asked for. */
  readonly #wanted: Set<string>;
  #unread = false;
  #offsetMs = 0;
  #clockSyncedMs = Number.NEGATIVE_INFINITY;
  #lastBarWallMs = Number.NEGATIVE_INFINITY;
  #problem = "the exchange has not been asked yet";
  #started = false;
  #wake: () => void = () => undefined;

  constructor(options: CcxtFeedOptions) {
    this.#options = options;
    this.#wanted = new Set(options.markets.map((market) => market.symbol));
  }

  state(): BrokerAccount["feed"] {
    const { clock, exchange } = this.#options;
    if (!this.#started) return { state: "starting", message: this.#problem };
    const unlisted = this.#unlisted();
    if (unlisted.length > 0 && unlisted.length === this.#options.markets.length)
      return { state: "failed", message: this.#unlistedMessage(unlisted) };
    if (this.#series.size === 0) return { state: "running", message: `${exchange.name} answers; no market is asked for` };
    const silentMs = clock.nowMs() - this.#lastBarWallMs;
    if (silentMs <= staleAfterMs) {
      const told = unlisted.length > 0 ? `; ${this.#unlistedMessage(unlisted)}` : "";
      return { state: "running", message: `closed candles of ${exchange.name}${told}` };
    }
    return {
      state: "stale",
      message: `no candle of ${exchange.name} for ${Math.round(silentMs / 1000)} s: ${this.#problem}`.slice(0, 500),
    };
  }

  /** Markets that were asked for by configuration and that the exchange does not have. */
  #unlisted(): readonly string[] {
    const { exchange, markets } = this.#options;
    return [...new Set(markets.map(({ symbol }) => symbol))].filter((symbol) => typeof exchange.market(symbol) === "string");
  }

  #unlistedMessage(symbols: readonly string[]): string {
    const { exchange } = this.#options;
    const [first = ""] = symbols;
    if (exchange.market(first) === "not-spot") return `MarketTypeNotSupported: ${first} is not a spot market`;
    return `MarketUnknown: ${exchange.name} has no open market ${symbols.slice(0, 5).join(", ")}`;
  }

  marketTimeMs(): number {
    return this.#options.clock.nowMs() + this.#offsetMs;
  }

  ended(): boolean {
    return false;
  }

  rules(symbol: string): MarketRules | undefined {
    const found = this.#options.exchange.market(symbol);
    return typeof found === "string" ? undefined : found;
  }

  markets(): readonly MarketRules[] {
    return [...new Set([...this.#series.values()].map((series) => series.symbol))].flatMap((symbol) => this.rules(symbol) ?? []);
  }

  lastPrice(symbol: string): Decimal | undefined {
    const close = this.#lastClose.get(symbol);
    return close === undefined ? undefined : decimalFromNumber(close);
  }

  watch(market: string, timeframe: string): void {
    this.#require(market, timeframe);
    this.#follow(market, baseTimeframe, undefined);
    const series = this.#follow(market, timeframe, undefined);
    if (series) series.announced = true;
    this.#wake();
  }

  follow(symbol: string): void {
    if (!this.rules(symbol)) return;
    this.#follow(symbol, baseTimeframe, undefined);
    this.#wake();
  }

  async bars({ market, timeframe, limit, untilMs }: BarsQuery): Promise<readonly WireBar[]> {
    const frameMs = this.#require(market, timeframe);
    // What has not been announced yet is the future.
    const present = this.#series.get(`${market}|${timeframe}`);
    const closedBy = Math.min(untilMs ?? Number.POSITIVE_INFINITY, present ? present.lastMs + frameMs : this.marketTimeMs());
    const bars: WireBar[] = [];
    let sinceMs = barOpening(closedBy, frameMs) - limit * frameMs;
    while (sinceMs + frameMs <= closedBy) {
      const page = await this.#options.exchange.candles({ symbol: market, timeframe, sinceMs, limit: pageLimit });
      const closed = page.map(barOf).filter((bar) => bar.time >= sinceMs && bar.time + frameMs <= closedBy);
      bars.push(...closed);
      const last = closed.at(-1);
      if (!last) break;
      sinceMs = last.time + frameMs;
    }
    return bars.slice(-limit);
  }

  async run(sink: FeedSink, { signal, waiting, resumeAfter }: FeedRunOptions): Promise<void> {
    for (const symbol of waiting) this.#wanted.add(symbol);
    if (!(await this.#connect(signal))) return;
    this.#started = true;
    for (const symbol of waiting) if (this.rules(symbol)) this.#follow(symbol, baseTimeframe, resumeAfter(symbol));
    for (const { symbol, timeframe } of this.#options.markets) {
      const market = this.#options.exchange.market(symbol);
      if (typeof market === "string" || !this.#options.exchange.timeframes.includes(timeframe)) {
        this.#options.log.warn({ symbol, timeframe, market }, "the exchange has no such spot market or timeframe");
        continue;
      }
      this.watch(symbol, timeframe);
    }
    while (!signal.aborted) {
      if (this.#unread && !(await this.#connect(signal))) return;
      this.#unread = false;
      const next = this.#nextDue();
      const waitMs = next ? next.dueMs - this.#options.clock.nowMs() : resyncClockMs;
      if (!next || waitMs > 0) await this.#pause(waitMs, signal);
      else await this.#poll(next, sink);
    }
  }

  async #connect(signal: AbortSignal): Promise<boolean> {
    const { exchange, clock, log } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await exchange.loadMarkets([...this.#wanted]);
        await this.#syncClock();
        return true;
      } catch (error) {
        if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
        this.#problem = messageOf(error);
        log.warn({ err: error }, "the exchange does not answer yet");
        await clock.sleep(retryDelayMs(error, failures), signal).catch(() => undefined);
      }
    }
    return false;
  }

  async #poll(series: Series, sink: FeedSink): Promise<void> {
    const { exchange, clock, log } = this.#options;
    try {
      if (clock.nowMs() - this.#clockSyncedMs > resyncClockMs) await this.#syncClock();
      const sinceMs = series.lastMs + series.frameMs;
      const candles = await exchange.candles({ symbol: series.symbol, timeframe: series.timeframe, sinceMs, limit: pageLimit });
      const closed = candles.map(barOf).filter((bar) => bar.time >= sinceMs && bar.time + series.frameMs <= this.marketTimeMs());
      for (const bar of closed) await this.#deliver(series, bar, sink);
      series.failures = 0;
      series.late = closed.length > 0 ? 0 : series.late + 1;
      // Nothing yet: the exchange is late, or nobody traded.
      series.dueMs =
        closed.length > 0 ? this.#dueAfter(series) : clock.nowMs() + Math.min(longestLateMs, lateMs * 2 ** (series.late - 1));
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      this.#problem = messageOf(error);
      series.dueMs = clock.nowMs() + retryDelayMs(error, series.failures);
      series.failures += 1;
      log.warn({ err: error, symbol: series.symbol, timeframe: series.timeframe }, "the exchange gave no candles");
    }
  }

  async #deliver(series: Series, bar: WireBar, sink: FeedSink): Promise<void> {
    const missing = (bar.time - series.lastMs) / series.frameMs - 1;
    if (missing > 0)
      this.#options.log.warn(
        { symbol: series.symbol, timeframe: series.timeframe, missing },
        "the exchange has left candles out",
      );
    if (series.timeframe === baseTimeframe) {
      await sink.onBaseBar(series.symbol, bar);
      this.#lastClose.set(series.symbol, bar.close);
      this.#lastBarWallMs = this.#options.clock.nowMs();
    }
    series.lastMs = bar.time;
    if (series.announced && bar.time >= series.announceFromMs) {
      sink.onBar({ market: series.symbol, timeframe: series.timeframe, bar, revision: false });
    }
  }

  /** Starts a series at the candle that closed last, or, for orders that wait, at the one after `resumeAfterMs`. */
  #follow(symbol: string, timeframe: string, resumeAfterMs: number | undefined): Series | undefined {
    const key = `${symbol}|${timeframe}`;
    const known = this.#series.get(key);
    if (known || this.#series.size >= 2 * watchLimit) return known;
    const frameMs = timeframeMs(timeframe);
    const running = barOpening(this.marketTimeMs(), frameMs);
    const lastMs = resumeAfterMs === undefined ? running - 2 * frameMs : Math.max(resumeAfterMs, running - longestCatchUpMs);
    const series: Series = {
      symbol,
      timeframe,
      frameMs,
      lastMs,
      dueMs: 0,
      failures: 0,
      late: 0,
      announceFromMs: running - frameMs,
      announced: false,
    };
    this.#series.set(key, series);
    return series;
  }

  #dueAfter(series: Series): number {
    return series.lastMs + 2 * series.frameMs + settleMs - this.#offsetMs;
  }

  /** The series that is due first; of one instant the base series, so that orders have met the minute before the hour is announced. */
  #nextDue(): Series | undefined {
    let first: Series | undefined;
    for (const series of this.#series.values()) {
      if (!first || series.dueMs < first.dueMs || (series.dueMs === first.dueMs && series.frameMs < first.frameMs))
        first = series;
    }
    return first;
  }

  async #syncClock(): Promise<void> {
    const { clock, exchange } = this.#options;
    const before = clock.nowMs();
    const serverMs = await exchange.serverTimeMs();
    const after = clock.nowMs();
    this.#offsetMs = Math.round(serverMs - (before + after) / 2);
    this.#clockSyncedMs = after;
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const either = AbortSignal.any([signal, woken.signal]);
    await this.#options.clock.sleep(Math.max(0, delayMs), either).catch((error: unknown) => {
      if (!either.aborted) throw error;
    });
  }

  /** A market that has not been asked about yet may be there all the same: whoever asks again finds out. */
  #readLater(symbol: string): void {
    if (this.#wanted.has(symbol) || this.#wanted.size >= watchLimit) return;
    this.#wanted.add(symbol);
    this.#unread = true;
    this.#wake();
  }

  #require(symbol: string, timeframe: string): number {
    const { exchange } = this.#options;
    if (!this.#started) throw refusal("VENUE_UNREACHABLE", this.#problem);
    const market = exchange.market(symbol);
    if (market === "not-spot")
      throw refusal("MARKET_TYPE_NOT_SUPPORTED", `MarketTypeNotSupported: ${symbol} is not a spot market`);
    if (market === "unknown") this.#readLater(symbol);
    if (market === "unknown") throw refusal("MARKET_UNKNOWN", `${exchange.name} has no open market ${symbol}`);
    if (!exchange.timeframes.includes(timeframe)) {
      throw refusal(
        "TIMEFRAME_NOT_AVAILABLE",
        `${exchange.name} has no candles of ${timeframe}; it has ${exchange.timeframes.join(", ")}`,
      );
    }
    return timeframeMs(timeframe);
  }
}

function refusal(code: BrokerErrorCode, message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>(code, message);
}

function retryDelayMs(error: CodedError, failures: number): number {
  if (error.context["limited"] === true) return limitedPauseMs;
  return Math.min(longestRetryMs, 1_000 * 2 ** Math.min(failures, 10));
}

function barOf([time, open, high, low, close, volume]: Candle): WireBar {
  return { time, open, high, low, close, volume };
}
