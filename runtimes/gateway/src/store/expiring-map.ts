import type { Clock } from "@bellwether/service-kit";

export interface ExpiringMapLimits {
  readonly maxEntries: number;
  /** UTF-16 units of keys and values together. */
  readonly maxCharacters: number;
}

interface Entry<T> {
  readonly value: T;
  readonly characters: number;
  readonly expiresMs: number;
}

/** Values that go by themselves after a while: bounded, the least recently used goes first. */
export class ExpiringMap<T> {
  readonly #limits: ExpiringMapLimits;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #entries = new Map<string, Entry<T>>();
  #characters = 0;

  constructor(limits: ExpiringMapLimits, clock: Pick<Clock, "nowMs">) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#live(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param characters size of the value; one that alone is over the limit is not kept */
  set(key: string, value: T, { characters, ttlMs }: { characters: number; ttlMs: number }): void {
    this.#drop(key);
    const size = key.length + characters;
    if (size > this.#limits.maxCharacters) return;
    this.#entries.set(key, { value, characters: size, expiresMs: this.#clock.nowMs() + ttlMs });
    this.#characters += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#characters <= this.#limits.maxCharacters) break;
      this.#drop(oldest);
    }
  }

  /** Reads and removes. */
  take(key: string): T | undefined {
    const entry = this.#live(key);
    this.#drop(key);
    return entry?.value;
  }

  #live(key: string): Entry<T> | undefined {
    const entry = this.#entries.get(key);
    if (entry && entry.expiresMs > this.#clock.nowMs()) return entry;
    this.#drop(key);
    return undefined;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#characters -= entry.characters;
  }
}
