import { CodedError } from "@bellwether/service-kit";
import type { GatewayErrorCode } from "../errors.ts";
import type { ExpiringStore } from "./expiring-store.ts";

/**
 * Chains of thought between two decisions: a strategy writes one, reads it for its next decision, and it is gone. Nobody else's key leads to it: the
 * strategy is part of it.
 */
export class Thoughts {
  readonly #store: ExpiringStore;
  readonly #routeUid: string;
  readonly #ttlMs: number;

  constructor(store: ExpiringStore, { routeUid, ttlMs }: { routeUid: string; ttlMs: number }) {
    this.#store = store;
    this.#routeUid = routeUid;
    this.#ttlMs = ttlMs;
  }

  /** @throws CodedError STORE_UNAVAILABLE */
  async write(tenant: string, id: string, text: string): Promise<{ expiresInMs: number }> {
    await this.#store.set(this.#key(tenant, id), text, this.#ttlMs);
    return { expiresInMs: this.#ttlMs };
  }

  /** @throws CodedError THOUGHT_NOT_FOUND, also for one that was read before or is another strategy's; STORE_UNAVAILABLE */
  async read(tenant: string, id: string): Promise<string> {
    const text = await this.#store.take(this.#key(tenant, id));
    if (text !== undefined) return text;
    throw new CodedError<GatewayErrorCode>("THOUGHT_NOT_FOUND", `no thought ${id} of this strategy is here`, { context: { id } });
  }

  #key(tenant: string, id: string): string {
    return `bellwether:thought:${this.#routeUid}:${encodeURIComponent(tenant)}:${encodeURIComponent(id)}`;
  }
}
