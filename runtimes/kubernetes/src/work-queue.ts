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

/**
 * Keys to work on: each at most once in the queue and at most once in work. A key added while it is in work is queued
 * again when it is done, so nothing is lost and nothing runs twice at a time. Bounded by the number of keys.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Insertion order is the order of work; the value is when it was added. */
  readonly #waiting = new Map<string, number>();
  /** Keys in work, with their start; `again` holds those added meanwhile. */
  readonly #working = new Map<string, number>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly cancel: Cancel }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    options.metrics?.observeRunning(options.name, () => this.#running());
    this.#measureDepth();
  }

  /** Keys that wait now (delayed ones and those in work not counted). */
  get size(): number {
    return this.#waiting.size;
  }

  /** Failures in a row of a key. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Adds a key unless it waits already. */
  add(key: string): void {
    if (this.#closed || this.#waiting.has(key) || this.#again.has(key)) return;
    this.#options.metrics?.queueAdds.inc({ name: this.#options.name });
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    const taker = this.#takers.shift();
    if (taker) {
      this.#start(key, 0);
      taker(key);
      return;
    }
    this.#waiting.set(key, this.#options.clock.nowMs());
    this.#measureDepth();
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

  /** The next key, which is in work until `done`; undefined once the queue is closed. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const next = this.#waiting.entries().next();
    if (next.done) return new Promise((resolve) => this.#takers.push(resolve));
    const [key, addedAtMs] = next.value;
    this.#waiting.delete(key);
    this.#start(key, this.#options.clock.nowMs() - addedAtMs);
    this.#measureDepth();
    return Promise.resolve(key);
  }

  done(key: string): void {
    const startedAtMs = this.#working.get(key);
    if (startedAtMs === undefined) return;
    const { metrics, name, clock } = this.#options;
    metrics?.workSeconds.observe({ name }, (clock.nowMs() - startedAtMs) / 1000);
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Waiting and delayed keys are dropped, takers get undefined; work in progress finishes. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#again.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
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
    this.#options.metrics?.queueDepth.set({ name: this.#options.name }, this.#waiting.size);
  }
}
