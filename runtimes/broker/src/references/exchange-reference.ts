import { CodedError } from "@bellwether/service-kit";
import { type WireBar, decimalFromNumber } from "@bellwether/trading";
import type { MarketFeed } from "../feeds/feed.ts";
import { PairedCloses } from "./paired-closes.ts";
import type { ReferenceReading, ReferenceSource } from "./reference-source.ts";

export interface ExchangeReferenceOptions {
  /** Its id in ccxt. */
  readonly exchange: string;
  /** Its public market data. */
  readonly feed: MarketFeed;
  /** Markets to compare from the start; others join with their first own bar. */
  readonly markets: readonly string[];
}

const timeframe = "1m";

/** The same markets at another exchange, minute by minute, through the feed that also brings an account's own bars. */
export class ExchangeReference implements ReferenceSource {
  readonly #options: ExchangeReferenceOptions;
  readonly #closes = new PairedCloses();

  constructor(options: ExchangeReferenceOptions) {
    this.#options = options;
  }

  onOwnBar(market: string, bar: WireBar): void {
    this.#closes.own(market, bar);
    try {
      // Again with each bar: a market that the exchange was not asked about yet is found the next time.
      this.#options.feed.watch(market, timeframe);
    } catch (error) {
      // Why it cannot be had is told by `read`.
      if (!(error instanceof CodedError)) throw error;
    }
  }

  read(): readonly ReferenceReading[] {
    const { feed, markets } = this.#options;
    const { state, message } = feed.state();
    return [...new Set([...markets, ...this.#closes.markets])].map((market) => {
      if (state !== "running") return { market, known: false, reason: message };
      return this.#readMarket(market);
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const nothing = (): void => undefined;
    await this.#options.feed.run(
      { onBaseBar: async (market, bar) => this.#closes.other(market, bar), onBar: nothing, onEnd: nothing },
      { signal, waiting: [], resumeAfter: () => undefined },
    );
  }

  #readMarket(market: string): ReferenceReading {
    const { exchange, feed } = this.#options;
    if (!feed.rules(market)) return { market, known: false, reason: `${exchange} has no open market ${market}` };
    const pair = this.#closes.newest(market);
    if (!pair)
      return {
        market,
        known: false,
        reason: `no minute of ${market} has been told by both the account's market and ${exchange}`,
      };
    return { market, known: true, price: decimalFromNumber(pair.other), own: decimalFromNumber(pair.own) };
  }
}
