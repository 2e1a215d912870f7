import type { Clock } from "@bellwether/service-kit";
import { ExpiringMap, type ExpiringMapLimits } from "./expiring-map.ts";
import type { ExpiringStore } from "./expiring-store.ts";

/** An expiring store of this process. */
export class MemoryStore implements ExpiringStore {
  readonly #texts: ExpiringMap<string>;

  constructor(limits: ExpiringMapLimits, clock: Pick<Clock, "nowMs">) {
    this.#texts = new ExpiringMap(limits, clock);
  }

  get size(): number {
    return this.#texts.size;
  }

  async get(key: string): Promise<string | undefined> {
    return this.#texts.get(key);
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    this.#texts.set(key, text, { characters: text.length, ttlMs });
  }

  async take(key: string): Promise<string | undefined> {
    return this.#texts.take(key);
  }
}
