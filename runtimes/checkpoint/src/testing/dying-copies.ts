import type { Copy, CopyIdentity, StoredObject } from "../copies/copy.ts";

/** What ends a process in these tests: no copy's own word, so that nothing takes it for one. */
export class Died extends Error {}

/** The process dies at its n-th call of any copy: before the call has any effect, or after it. From then on every call dies. */
export class Death {
  readonly #at: number;
  readonly #when: "before" | "after";
  #calls = 0;

  constructor(at: number, when: "before" | "after") {
    this.#at = at;
    this.#when = when;
  }

  get happened(): boolean {
    return this.#calls >= this.#at;
  }

  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    const calls = ++this.#calls;
    if (calls > this.#at || (calls === this.#at && this.#when === "before")) throw new Died(`died at call ${this.#at}`);
    const result = await work();
    if (calls === this.#at) throw new Died(`died after call ${this.#at}`);
    return result;
  }
}

/** A copy of a process that dies. */
export class DyingCopy implements Copy {
  readonly name: string;
  readonly #copy: Copy;
  readonly #death: Death;

  constructor(copy: Copy, death: Death) {
    this.name = copy.name;
    this.#copy = copy;
    this.#death = death;
  }

  put(key: string, bytes: Buffer, options: { readonly ifAbsent: boolean }): Promise<boolean> {
    return this.#death.call(() => this.#copy.put(key, bytes, options));
  }

  get(key: string): Promise<Buffer | undefined> {
    return this.#death.call(() => this.#copy.get(key));
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    yield* await this.#death.call(() => Array.fromAsync(this.#copy.list(prefix)));
  }

  delete(key: string): Promise<void> {
    return this.#death.call(() => this.#copy.delete(key));
  }

  identity(): Promise<CopyIdentity> {
    return this.#death.call(() => this.#copy.identity());
  }

  sweep(beforeMs: number): Promise<number> {
    return this.#death.call(() => this.#copy.sweep(beforeMs));
  }

  close(): Promise<void> {
    return this.#copy.close();
  }
}
