/**
 * Collapses identical requests in flight: the first one does the work, the others get its result. Nothing is kept once it has ended; that is
 * the cache's part. The key must say everything the result depends on, tenant included: the exact key of the cache.
 */
export class SingleFlight<Result> {
  readonly #inFlight = new Map<string, Promise<Result>>();

  /** @returns the result, and whether another request's work brought it. A failure is everyone's who waited: they asked for the same. */
  async run(key: string, work: () => Promise<Result>): Promise<{ result: Result; joined: boolean }> {
    const running = this.#inFlight.get(key);
    if (running !== undefined) return { result: await running, joined: true };
    const started = work().finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, started);
    return { result: await started, joined: false };
  }

  get size(): number {
    return this.#inFlight.size;
  }
}
