import type { EquityEvent } from "@bellwether/trading";

/** Where an agent's stream ends; see service-kit's EventSink. */
export interface Subscriber {
  send(event: { event: string; id?: string; data: unknown }): void;
}

/** No strategy has an empty uid. */
const policyChannel = "";

/** Fans events out to the open streams, by strategy. Nothing is kept: a reader that was away reads the snapshot and the bars it missed. */
export class EventHub {
  #lastEquity = "";
  readonly #subscribers = new Map<string, Set<Subscriber>>();

  subscribe(strategyUid: string, subscriber: Subscriber): () => void {
    const subscribers = this.#subscribers.get(strategyUid) ?? new Set();
    this.#subscribers.set(strategyUid, subscribers);
    subscribers.add(subscriber);
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#subscribers.get(strategyUid) === subscribers) this.#subscribers.delete(strategyUid);
    };
  }

  publish(strategyUid: string, event: { event: string; id?: string; data: unknown }): void {
    for (const subscriber of this.#subscribers.get(strategyUid) ?? []) subscriber.send(event);
  }

  /** Streams of the whole policy get equity, P&L and positions. */
  subscribePolicy(subscriber: Subscriber): () => void {
    return this.subscribe(policyChannel, subscriber);
  }

  get policyStreams(): number {
    return this.count(policyChannel);
  }

  /** Sends nothing that was sent already: a quiet market is quiet here, too. */
  publishEquity(event: EquityEvent): void {
    const { time: _time, ...content } = event;
    const text = JSON.stringify(content);
    if (text === this.#lastEquity) return;
    this.#lastEquity = text;
    this.publish(policyChannel, { event: "equity", data: event });
  }

  /** Open streams of one strategy. */
  count(strategyUid: string): number {
    return this.#subscribers.get(strategyUid)?.size ?? 0;
  }
}
