import { CodedError } from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type Decimal,
  type MarketRules,
  type WireBar,
  decimalFromNumber,
  rulesFromSymbol,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";
import type { FeedRunOptions, FeedSink, MarketFeed } from "../feeds/feed.ts";

const minuteMs = 60_000;

/** A market that moves when told to, bar by bar; outlives the brokers that listen to it. */
export class ManualMarket implements MarketFeed {
  readonly symbol: string;
  readonly #bars: WireBar[] = [];
  readonly #startMs: number;
  #sink: FeedSink | undefined;
  #ended = false;

  constructor(symbol = "BTC/USDT", startMs = 1_700_000_040_000) {
    this.symbol = symbol;
    this.#startMs = startMs;
  }

  state(): BrokerAccount["feed"] {
    return this.#ended ? { state: "ended", message: "over" } : { state: "running", message: "manual" };
  }

  /** The close of the last bar, which is the opening of the next one. */
  marketTimeMs(): number {
    return this.#startMs + this.#bars.length * minuteMs;
  }

  ended(): boolean {
    return this.#ended;
  }

  rules(symbol: string): MarketRules | undefined {
    return symbol === this.symbol ? rulesFromSymbol(symbol) : undefined;
  }

  markets(): readonly MarketRules[] {
    return [this.rules(this.symbol)].flatMap((rules) => rules ?? []);
  }

  lastPrice(): Decimal | undefined {
    const close = this.#bars.at(-1)?.close;
    return close === undefined ? undefined : decimalFromNumber(close);
  }

  watch(): void {}

  follow(): void {}

  async bars(): Promise<readonly WireBar[]> {
    throw new CodedError<BrokerErrorCode>("TIMEFRAME_NOT_AVAILABLE", "a manual market keeps no history for readers");
  }

  async run(sink: FeedSink, { resumeAfter }: FeedRunOptions): Promise<void> {
    const afterMs = resumeAfter(this.symbol);
    if (afterMs !== undefined) for (const bar of this.#bars) if (bar.time > afterMs) await sink.onBaseBar(this.symbol, bar);
    this.#sink = sink;
  }

  /** The broker is gone; bars go on closing. */
  detach(): void {
    this.#sink = undefined;
  }

  /** One more bar closes. Opens where the last one closed unless `open` is given. */
  async close(
    close: number,
    { open, high, low, volume = 1_000 }: Partial<Pick<WireBar, "open" | "high" | "low" | "volume">> = {},
  ): Promise<void> {
    const opened = open ?? this.#bars.at(-1)?.close ?? close;
    const bar: WireBar = {
      time: this.#startMs + this.#bars.length * minuteMs,
      open: opened,
      high: high ?? Math.max(opened, close),
      low: low ?? Math.min(opened, close),
      close,
      volume,
    };
    this.#bars.push(bar);
    await this.#sink?.onBaseBar(this.symbol, bar);
  }

  end(): void {
    this.#ended = true;
    this.#sink?.onEnd("over");
  }
}
