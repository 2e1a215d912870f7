import fc from "fast-check";
import { expect, test } from "vitest";
import { type CacheChange, ObjectCache } from "./object-cache.ts";
import type { Stored } from "./objects.ts";
import { isNewer } from "./resource-version.ts";
import { type Widget, storedWidget } from "./testing/fixtures.ts";

/**
 * One object on a made-up server, a watch that lags behind it, own writes whose answers come early or late, cuts with a new
 * LIST. Whatever the interleaving: the cache never goes back, ends equal to the server, and every change that somebody else
 * made is announced as news at or after the state that contains it.
 */
const step = fc.constantFrom("foreign", "own", "answer", "lose answer", "deliver", "deliver", "delete", "relist");

class Model {
  readonly cache = new ObjectCache<Widget>();
  readonly news: CacheChange<Widget>[] = [];
  /** The last version of the object as it lives now that somebody else wrote. */
  lastForeign: string | undefined;
  #version = 0;
  #uid = 0;
  current: Stored<Widget> | undefined;
  readonly #log: { readonly type: "set" | "deleted"; readonly object: Stored<Widget> }[] = [];
  #delivered = 0;
  readonly #answers: ((lost: boolean) => void)[] = [];

  constructor() {
    this.cache.subscribe((change) => {
      if (!change.own) this.news.push(change);
      if (change.previous) this.#neverBack(change.previous, change.object);
    });
  }

  run(name: string): void {
    if (name === "foreign") this.lastForeign = this.#commit().metadata.resourceVersion;
    else if (name === "own") this.#own();
    else if (name === "answer") this.#answers.shift()?.(false);
    else if (name === "lose answer") this.#answers.shift()?.(true);
    else if (name === "deliver") this.#deliver();
    else if (name === "delete") this.#delete();
    else this.#relist();
  }

  settle(): void {
    while (this.#answers.length > 0) this.#answers.shift()?.(false);
    while (this.#delivered < this.#log.length) this.#deliver();
  }

  #commit(): Stored<Widget> {
    const uid = this.current?.metadata.uid ?? `uid-${++this.#uid}`;
    const object = storedWidget("a", { uid, resourceVersion: String(++this.#version) }, this.#version);
    this.current = object;
    this.#log.push({ type: "set", object });
    return object;
  }

  #own(): void {
    const end = this.cache.beginWrite("test/a");
    const object = this.#commit();
    // A lost answer: the write happened, and nobody told us.
    this.#answers.push((lost) => end(lost ? undefined : object));
  }

  #delete(): void {
    if (!this.current) return;
    const object = { ...this.current, metadata: { ...this.current.metadata, resourceVersion: String(++this.#version) } };
    this.current = undefined;
    this.lastForeign = undefined;
    this.#log.push({ type: "deleted", object });
  }

  #deliver(): void {
    const event = this.#log[this.#delivered];
    if (!event) return;
    this.#delivered++;
    if (event.type === "set") this.cache.observe(event.object);
    else this.cache.observeDeleted(event.object);
  }

  /** A new LIST sees the newest state; the watch goes on behind it. */
  #relist(): void {
    this.#delivered = this.#log.length;
    if (this.current) this.cache.observeListed(this.current);
    this.cache.retain(new Set(this.current ? ["test/a"] : []), { resourceVersion: String(this.#version) });
  }

  #neverBack(before: Stored<Widget>, after: Stored<Widget>): void {
    expect(isNewer(before.metadata.resourceVersion, after.metadata.resourceVersion)).toBe(false);
  }
}

test("in any interleaving of own writes, others' writes and a lagging watch, no change is lost and nothing goes back", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      for (const name of steps) model.run(name);
      model.settle();
      expect(model.cache.get("test/a")?.metadata.resourceVersion).toBe(model.current?.metadata.resourceVersion);
      // What came and went between two lists was never there to see.
      const last = model.lastForeign;
      if (last === undefined) return;
      const heard = model.news.some(({ object }) => !isNewer(last, object.metadata.resourceVersion));
      expect(heard, `somebody else's version ${last} was never announced`).toBe(true);
    }),
    { numRuns: 3000 },
  );
});
