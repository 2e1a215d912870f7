import {
  type BrokerAccount,
  type Decimal,
  type MarketRules,
  type WireBar,
  decimalFromNumber,
  rulesFromSymbol,
} from "@bellwether/trading";
import type { FeedSink, MarketFeed } from "../../../runtimes/broker/src/feeds/feed.ts";
import { market } from "./exchange-model.ts";

const minuteMs = 60_000;
const startMs = 1_700_000_040_000;

/** One market of one-minute bars that close when a history says so; outlives the brokers that listen to it. */
export class SimMarket implements MarketFeed {
  #bars = 0;
  #close: number;
  #last: WireBar | undefined;
  #sink: FeedSink | undefined;
  readonly #rules: readonly MarketRules[];

  constructor(close: number) {
    this.#close = close;
    const rules = rulesFromSymbol(market);
    this.#rules = rules ? [{ ...rules, quantityStep: "0.00001", priceStep: "0.01" }] : [];
  }

  get close(): number {
    return this.#close;
  }

  state(): BrokerAccount["feed"] {
    return { state: "running", message: "simulated" };
  }

  marketTimeMs(): number {
    return startMs + this.#bars * minuteMs;
  }

  ended(): boolean {
    return false;
  }

  rules(symbol: string): MarketRules | undefined {
    return this.#rules.find((rules) => rules.symbol === symbol);
  }

  markets(): readonly MarketRules[] {
    return this.#rules;
  }

  lastPrice(): Decimal {
    return decimalFromNumber(this.#close);
  }

  watch(): void {}

  follow(): void {}

  /** The newest one: simulated programs look back at nothing. */
  async bars(): Promise<readonly WireBar[]> {
    return this.#last ? [this.#last] : [];
  }

  async run(sink: FeedSink): Promise<void> {
    this.#sink = sink;
  }

  /** The broker is gone; bars go on closing. */
  detach(): void {
    this.#sink = undefined;
  }

  /** One more bar. */
  closeAt(close: number): void {
    const bar: WireBar = { time: this.marketTimeMs(), open: this.#close, high: close, low: close, close, volume: 1 };
    this.#bars += 1;
    this.#close = close;
    this.#last = bar;
    this.#sink?.onBar({ market, timeframe: "1m", bar, revision: false });
  }
}
