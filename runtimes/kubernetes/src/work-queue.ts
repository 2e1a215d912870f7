import type { Cancel, Clock } from "@bellwether/service-kit/clock";
import type { Random } from "@bellwether/service-kit/random";
import { type Backoff, backoffMs } from "./backoff.ts";
import type { KubernetesMetrics } from "./kubernetes-metrics.ts";

export interface WorkQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Default 10 ms doubling to 5 min. */
  readonly backoff?: Backoff;
  readonly metrics?: KubernetesMetrics;
}

const defaultBackoff: Backoff = { baseMs: 10, maxMs: 300_000 };

/** `first`: somebody waits for an answer, such as a person who has just applied an object. `usual`: everything else. */
export type Lane = "first" | "usual";

type Taker = (key: string | undefined) => void;

/**
 * Keys to work on: each at most once in the queue and at most once in work. A key added while it is in work is queued
 * again when it is done, so nothing is lost and nothing runs twice at a time. Bounded by the number of keys.
 *
 * Two lanes: keys of the first are given out before those of the usual one, so that news does not queue behind refreshes.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Insertion order is the order of work; the value is when it was added. A key is in one lane at most. */
  readonly #waiting: Readonly<Record<Lane, Map<string, number>>> = { first: new Map(), usual: new Map() };
  /** Keys in work, with their start; `again` holds those added meanwhile, with the lane they shall wait in. */
  readonly #working = new Map<string, number>();
  readonly #again = new Map<string, Lane>();
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly cancel: Cancel }>();
  readonly #failures = new Map<string, number>();
  /** By what they take: those of the lane `first` take nothing else, the others anything. */
  readonly #takers: Readonly<Record<Lane, Taker[]>> = { first: [], usual: [] };
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    options.metrics?.observeRunning(options.name, () => this.#running());
    this.#measureDepth();
  }

  /** Keys that wait now (delayed ones and those in work not counted). */
  get size(): number {
    return this.#waiting.first.size + this.#waiting.usual.size;
  }

  /** Failures in a row of a key. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Adds a key unless it waits already; one that waits in the usual lane moves to the first when it is added there. */
  add(key: string, lane: Lane = "usual"): void {
    if (this.#closed || this.#isAhead(key, lane)) return;
    this.#options.metrics?.queueAdds.inc({ name: this.#options.name });
    if (this.#working.has(key)) {
      this.#again.set(key, lane);
      return;
    }
    const taker = (lane === "first" ? this.#takers.first.shift() : undefined) ?? this.#takers.usual.shift();
    if (taker) {
      this.#start(key, 0);
      taker(key);
      return;
    }
    this.#waiting[lane].set(key, this.#waiting.usual.get(key) ?? this.#options.clock.nowMs());
    if (lane === "first") this.#waiting.usual.delete(key);
    this.#measureDepth();
  }

  /** True when the key waits in that lane already, or in a better one. */
  #isAhead(key: string, lane: Lane): boolean {
    const waitsIn = this.#again.get(key) ?? (["first", "usual"] as const).find((each) => this.#waiting[each].has(key));
    return waitsIn === "first" || waitsIn === lane;
  }

  /** Adds a key after a time; of two times the earlier counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#options.clock.nowMs() + delayMs;
    const pending = this.#delayed.get(key);
    if (pending && pending.dueMs <= dueMs) return;
    pending?.cancel();
    const cancel = this.#options.clock.setTimeout(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, delayMs);
    this.#delayed.set(key, { dueMs, cancel });
  }

  /** Adds a failed key after its back-off. */
  addRateLimited(key: string): void {
    const failures = this.failuresOf(key) + 1;
    this.#failures.set(key, failures);
    this.#options.metrics?.queueRetries.inc({ name: this.#options.name });
    this.addAfter(key, backoffMs(this.#options.backoff ?? defaultBackoff, failures, this.#options.random));
  }

  /** The key succeeded: its next failure starts at the shortest back-off again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * The next key, which is in work until `done`; undefined once the queue is closed.
   * @param only `first`: never a key of the usual lane. Who takes so is free for news whatever else is in work.
   */
  take(only?: "first"): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const next = this.#next("first") ?? (only === undefined ? this.#next("usual") : undefined);
    if (next === undefined) return new Promise((resolve) => this.#takers[only ?? "usual"].push(resolve));
    return Promise.resolve(next);
  }

  #next(lane: Lane): string | undefined {
    const next = this.#waiting[lane].entries().next();
    if (next.done) return undefined;
    const [key, addedAtMs] = next.value;
    this.#waiting[lane].delete(key);
    this.#start(key, this.#options.clock.nowMs() - addedAtMs);
    this.#measureDepth();
    return key;
  }

  done(key: string): void {
    const startedAtMs = this.#working.get(key);
    if (startedAtMs === undefined) return;
    const { metrics, name, clock } = this.#options;
    metrics?.workSeconds.observe({ name }, (clock.nowMs() - startedAtMs) / 1000);
    this.#working.delete(key);
    const lane = this.#again.get(key);
    if (lane === undefined) return;
    this.#again.delete(key);
    this.add(key, lane);
  }

  /** Waiting and delayed keys are dropped, takers get undefined; work in progress finishes. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const lane of Object.values(this.#waiting)) lane.clear();
    this.#again.clear();
    for (const takers of Object.values(this.#takers)) for (const taker of takers.splice(0)) taker(undefined);
    this.#measureDepth();
  }

  #start(key: string, waitedMs: number): void {
    // A reconcile looks at the whole world and says anew when it wants to come back.
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
    this.#working.set(key, this.#options.clock.nowMs());
    this.#options.metrics?.queueSeconds.observe({ name: this.#options.name }, waitedMs / 1000);
  }

  #running(): { sumMs: number; longestMs: number } {
    const nowMs = this.#options.clock.nowMs();
    let sumMs = 0;
    let longestMs = 0;
    for (const startedAtMs of this.#working.values()) {
      sumMs += nowMs - startedAtMs;
      longestMs = Math.max(longestMs, nowMs - startedAtMs);
    }
    return { sumMs, longestMs };
  }

  #measureDepth(): void {
    this.#options.metrics?.queueDepth.set({ name: this.#options.name }, this.size);
  }
}
