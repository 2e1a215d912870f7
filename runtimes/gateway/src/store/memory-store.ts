import type { Clock } from "@bellwether/service-kit";
import type { ExpiringStore } from "./expiring-store.ts";

export interface MemoryStoreLimits {
  readonly maxEntries: number;
  /** UTF-16 units of keys and texts together. */
  readonly maxCharacters: number;
}

interface Entry {
  readonly text: string;
  readonly expiresMs: number;
}

/** An expiring store of this process: bounded, the least recently used goes first. */
export class MemoryStore implements ExpiringStore {
  readonly #limits: MemoryStoreLimits;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #entries = new Map<string, Entry>();
  #characters = 0;

  constructor(limits: MemoryStoreLimits, clock: Pick<Clock, "nowMs">) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  async get(key: string): Promise<string | undefined> {
    const entry = this.#live(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.text;
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    this.#drop(key);
    if (key.length + text.length > this.#limits.maxCharacters) return;
    this.#entries.set(key, { text, expiresMs: this.#clock.nowMs() + ttlMs });
    this.#characters += key.length + text.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#characters <= this.#limits.maxCharacters) break;
      this.#drop(oldest);
    }
  }

  async take(key: string): Promise<string | undefined> {
    const entry = this.#live(key);
    this.#drop(key);
    return entry?.text;
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry && entry.expiresMs > this.#clock.nowMs()) return entry;
    this.#drop(key);
    return undefined;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#characters -= key.length + entry.text.length;
  }
}
