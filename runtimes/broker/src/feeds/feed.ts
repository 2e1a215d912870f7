import type { BarEvent, BrokerAccount, Decimal, MarketRules, WireBar } from "@bellwether/trading";

/** What a feed tells while it runs. */
export interface FeedSink {
  /** A base bar has closed: the paper venue matches with it. Awaited before the bar is announced, so that its fills are known by then. */
  onBaseBar(market: string, bar: WireBar): Promise<void>;
  /** A bar of a watched market and timeframe has closed. */
  onBar(event: BarEvent): void;
  /** The data has come to its end for good. */
  onEnd(message: string): void;
}

export interface BarsQuery {
  readonly market: string;
  readonly timeframe: string;
  readonly limit: number;
  /** Market time; bars that close later are left out. Never looks beyond the market's present. */
  readonly untilMs?: number;
}

/** A source of closed bars with a market clock of its own. */
export interface MarketFeed {
  state(): BrokerAccount["feed"];
  marketTimeMs(): number;
  ended(): boolean;
  rules(symbol: string): MarketRules | undefined;
  markets(): readonly MarketRules[];
  /** Close of the last base bar that has been announced. */
  lastPrice(symbol: string): Decimal | undefined;
  /** Announces bars of this market and timeframe from now on. Asking again changes nothing. */
  watch(market: string, timeframe: string): void;
  /** Delivers base bars of this market from now on; nothing when it has no such market. */
  follow(symbol: string): void;
  /**
   * Oldest first, closed ones only.
   *
   * @throws CodedError MARKET_UNKNOWN, TIMEFRAME_NOT_AVAILABLE, VENUE_UNREACHABLE
   */
  bars(query: BarsQuery): Promise<readonly WireBar[]>;
  /** Runs until `signal` aborts, or to the end of the data. Bars that orders have waited for while nobody listened come first. */
  run(sink: FeedSink, options: FeedRunOptions): Promise<void>;
}

export interface FeedRunOptions {
  readonly signal: AbortSignal;
  /** Markets in which orders rest. */
  readonly waiting: readonly string[];
  /** Opening time of the last bar that the orders of a market have met; undefined when none waits any more. */
  readonly resumeAfter: (market: string) => number | undefined;
}

/** Most markets and timeframes one broker announces. */
export const watchLimit = 64;
