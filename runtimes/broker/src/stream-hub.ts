import type { EventSink } from "@bellwether/service-kit";
import type { BarEvent, BrokerOrder, WireFill } from "@bellwether/trading";

/** Listeners at once; risk is the only one, with a reconnect in between. */
const mostSinks = 16;

/** Hands what happens to everybody who listens. Nothing is kept: who reconnects reads the state afresh. */
export class StreamHub {
  readonly #sinks = new Set<EventSink>();
  #endMessage: string | undefined;

  add(sink: EventSink): void {
    if (this.#sinks.size >= mostSinks) {
      const [oldest] = this.#sinks;
      oldest?.end();
      if (oldest) this.#sinks.delete(oldest);
    }
    this.#sinks.add(sink);
    sink.onClose(() => this.#sinks.delete(sink));
    if (this.#endMessage !== undefined) sink.send({ event: "end", data: { message: this.#endMessage } });
  }

  get listeners(): number {
    return this.#sinks.size;
  }

  bar(event: BarEvent): void {
    this.#send({ event: "bar", id: `${event.market}|${event.timeframe}|${event.bar.time}`, data: event });
  }

  change({ order, fills }: { order: BrokerOrder; fills: readonly WireFill[] }): void {
    for (const fill of fills) this.#send({ event: "fill", id: `fill|${fill.tradeId}`, data: fill });
    this.#send({ event: "order", data: order });
  }

  /** The market data has come to its end; told to everybody who connects later, too. */
  end(message: string): void {
    this.#endMessage = message;
    this.#send({ event: "end", data: { message } });
  }

  close(): void {
    for (const sink of this.#sinks) sink.end();
    this.#sinks.clear();
  }

  #send(event: { event: string; id?: string; data: unknown }): void {
    for (const sink of this.#sinks) sink.send(event);
  }
}
