import { type Check, type Clock, Dependency, type Logger, type ServiceClient, messageOf } from "@bellwether/service-kit";
import { type BarEvent, barEvent } from "@bellwether/trading";
import { z } from "zod";

/** One market in one timeframe. */
export interface BarSeries {
  readonly market: string;
  readonly timeframe: string;
}

export interface FeedListener {
  onBar(event: BarEvent): void;
  /** An order or a fill has changed: a hint to look into the journal, never the truth itself. */
  onHint(clientOrderId: string): void;
  onEnd(message: string): void;
}

export interface MarketFeedOptions {
  readonly account: string;
  readonly client: ServiceClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly listener: FeedListener;
}

/** The broker sends a heartbeat every 2 s. */
const idleMs = 6_000;
const firstRetryMs = 100;
const longestRetryMs = 2_000;
const endEvent = z.object({ message: z.string() });
const hintEvent = z.union([
  z.object({ order: z.object({ clientOrderId: z.string() }) }),
  z.object({ clientOrderId: z.string() }),
]);

/** Follows the broker's stream for ever; what it misses while reconnecting is read from Postgres and from GET /v1/bars by whoever needs it. */
export class MarketFeed {
  readonly #options: MarketFeedOptions;
  readonly #dependency: Dependency;
  readonly #closing = new AbortController();
  #subscription = new AbortController();
  #series: readonly string[] = [];
  #running = false;

  constructor(options: MarketFeedOptions) {
    this.#options = options;
    this.#dependency = new Dependency(`stream of broker ${options.account}`, () => options.clock.nowMs());
  }

  check(): Check {
    return this.#dependency.check();
  }

  /** Which bars to follow; a changed set opens a new stream. */
  follow(series: readonly BarSeries[]): void {
    const wanted = [...new Set(series.map(({ market, timeframe }) => `${market}|${timeframe}`))].toSorted();
    const same = wanted.length === this.#series.length && wanted.every((name, index) => name === this.#series[index]);
    if (this.#running && same) return;
    this.#series = wanted;
    if (!this.#running) {
      this.#running = true;
      void this.#run();
      return;
    }
    this.#subscription.abort();
  }

  close(): void {
    this.#closing.abort();
    this.#subscription.abort();
  }

  async #run(): Promise<void> {
    let retryMs = firstRetryMs;
    while (!this.#closing.signal.aborted) {
      this.#subscription = new AbortController();
      try {
        await this.#readStream(this.#subscription.signal, () => (retryMs = firstRetryMs));
        continue;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (this.#dependency.ok)
          this.#options.log.warn({ err: error, account: this.#options.account }, "the broker's stream broke");
        this.#dependency.down(messageOf(error));
      }
      await this.#options.clock.sleep(retryMs, this.#closing.signal).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, longestRetryMs);
    }
  }

  /** Returns when the subscription changes; throws when the stream breaks. */
  async #readStream(signal: AbortSignal, onAlive: () => void): Promise<void> {
    const query = { bars: this.#series.join(",") };
    for await (const { event, data } of this.#options.client.stream("/v1/stream", { query, signal, idleMs })) {
      if (!this.#dependency.ok) this.#dependency.up("streams");
      onAlive();
      this.#take(event, data);
    }
  }

  #take(event: string, data: string): void {
    const { listener, log } = this.#options;
    try {
      const value: unknown = JSON.parse(data);
      if (event === "bar") listener.onBar(barEvent.parse(value));
      else if (event === "order" || event === "fill") listener.onHint(orderIdOf(hintEvent.parse(value)));
      else if (event === "end") listener.onEnd(endEvent.parse(value).message);
    } catch (error) {
      log.error({ err: error, event }, "an event of the broker's stream could not be read");
    }
  }
}

function orderIdOf(hint: z.output<typeof hintEvent>): string {
  return "order" in hint ? hint.order.clientOrderId : hint.clientOrderId;
}
