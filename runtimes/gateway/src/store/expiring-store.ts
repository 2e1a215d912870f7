/** Texts that go by themselves after a while. All calls fail with STORE_UNAVAILABLE, quickly, while the store is away. */
export interface ExpiringStore {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string, ttlMs: number): Promise<void>;
  /** Reads and removes in one step: of two readers one gets it. */
  take(key: string): Promise<string | undefined>;
}
