/** Runs pieces of work side by side while their weights together stay within a bound; one that alone is heavier runs by itself. */
export class BoundedWork {
  readonly #most: number;
  readonly #running = new Set<Promise<void>>();
  #weight = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(mostWeight: number) {
    this.#most = mostWeight;
  }

  /** Waits until there is room, then starts `work` and returns. @throws what an earlier piece of work threw */
  async add(weight: number, work: () => Promise<void>): Promise<void> {
    while (this.#running.size > 0 && this.#weight + weight > this.#most) await Promise.race(this.#running);
    this.#rethrow();
    this.#weight += weight;
    const running: Promise<void> = work()
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => {
        this.#weight -= weight;
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  /** Waits for all that was added. @throws what the first to fail threw */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    this.#rethrow();
  }

  #rethrow(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** Results of `read` in the order of `items`, with up to `depth` under way ahead of the one that is waited for. */
export async function* readAhead<Item, Result>(
  items: Iterable<Item>,
  depth: number,
  read: (item: Item) => Promise<Result>,
): AsyncIterable<Result> {
  const ahead: Promise<Result>[] = [];
  for (const item of items) {
    const reading = read(item);
    // Whoever stops early does not wait for it; whoever goes on gets the rejection from the promise itself.
    reading.catch(() => undefined);
    ahead.push(reading);
    if (ahead.length > depth) yield await (ahead.shift() as Promise<Result>);
  }
  for (const reading of ahead) yield await reading;
}
