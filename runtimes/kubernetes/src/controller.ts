import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { Random } from "@bellwether/service-kit/random";
import type { Backoff } from "./backoff.ts";
import { isKubernetesError } from "./errors.ts";
import type { Informer } from "./informer.ts";
import type { KubernetesMetrics } from "./kubernetes-metrics.ts";
import type { CacheChange } from "./object-cache.ts";
import { type KubernetesObject, type ObjectKey, keyOf } from "./objects.ts";
import { WorkQueue } from "./work-queue.ts";

/**
 * How a reconcile ends, unless it throws (then it is repeated with back-off).
 * `terminal`: trying again cannot help until something changes; the reason says what.
 */
export type Outcome =
  | { readonly result: "done" }
  | { readonly result: "requeueAfter"; readonly delayMs: number }
  | { readonly result: "terminal"; readonly reason: string };

export const done: Outcome = Object.freeze({ result: "done" });

export function requeueAfter(delayMs: number): Outcome {
  return { result: "requeueAfter", delayMs };
}

export function terminal(reason: string): Outcome {
  return { result: "terminal", reason };
}

export interface ControllerOptions {
  /** Name of the kind in metrics and logs. */
  readonly kind: string;
  /**
   * Makes the world fit one object. Level-based: it is told which object, not what happened. Never runs twice at a time
   * for one key. The signal aborts when the process stops, the lease is lost or the reconcile took too long.
   */
  reconcile(key: ObjectKey, signal: AbortSignal): Promise<Outcome>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: KubernetesMetrics;
  /** Keys in work at a time; default 4. */
  readonly concurrency?: number;
  /**
   * Workers beside those, only for objects that are new or whose spec has changed: these do not wait for reconciles that take
   * long. Default 0.
   */
  readonly newsConcurrency?: number;
  /** Of failing keys; default 10 ms doubling to 5 min. */
  readonly backoff?: Backoff;
  /** Default 120 s. */
  readonly reconcileTimeoutMs?: number;
}

export interface WatchedChanges {
  /** Also echoes of writes of this process: another controller of it writes that kind. Default false. */
  readonly ownWrites?: boolean;
  /** Changes of many objects within so many milliseconds are one reconcile of what they concern. Default: at once. */
  readonly settleMs?: number;
}

/** Which objects a change concerns. */
export type KeysOf<T extends KubernetesObject> = (change: CacheChange<T>) => Iterable<ObjectKey>;

/** Feeds changes of watched kinds, as keys, to one reconcile function. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #informers = new Set<Pick<Informer<KubernetesObject>, "synced">>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { kind, clock, random, metrics, backoff } = options;
    this.#queue = new WorkQueue({
      name: kind,
      clock,
      random,
      ...(metrics === undefined ? {} : { metrics }),
      ...(backoff === undefined ? {} : { backoff }),
    });
  }

  /**
   * Every change of `informer`'s objects adds the keys that `keysOf` names; by default the object's own key, ahead of others
   * when the object is new or its spec has changed.
   */
  watch<T extends KubernetesObject>(informer: Informer<T>, keysOf: KeysOf<T> = ownKey, options: WatchedChanges = {}): this {
    this.#informers.add(informer);
    informer.cache.subscribe((change) => {
      if (change.own && !options.ownWrites) return;
      const lane = keysOf === ownKey && isSomebodysDoing(change) ? "first" : "usual";
      for (const key of keysOf(change)) {
        if (options.settleMs === undefined) this.#queue.add(key, lane);
        else this.#queue.addAfter(key, options.settleMs);
      }
    });
    return this;
  }

  /** Asks for a reconcile: for triggers that are no watched object. */
  enqueue(key: ObjectKey, delayMs = 0): void {
    if (delayMs > 0) this.#queue.addAfter(key, delayMs);
    else this.#queue.add(key);
  }

  /** Works until the signal aborts, from when every watched kind is synced; resolves when nothing is in work any more. */
  async run(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([aborted, Promise.all([...this.#informers].map((informer) => informer.synced()))]);
    const { concurrency = 4, newsConcurrency = 0 } = this.#options;
    const workers = [
      ...Array.from({ length: concurrency }, () => this.#work(signal)),
      ...Array.from({ length: newsConcurrency }, () => this.#work(signal, "first")),
    ];
    await aborted;
    this.#queue.close();
    await Promise.all(workers);
  }

  async #work(signal: AbortSignal, only?: "first"): Promise<void> {
    for (;;) {
      const key = await this.#queue.take(only);
      if (key === undefined) return;
      try {
        if (!signal.aborted) await this.#reconcile(key, signal);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #reconcile(key: ObjectKey, signal: AbortSignal): Promise<void> {
    const { kind, log, clock, metrics, reconcileTimeoutMs = 120_000 } = this.#options;
    const startedAtMs = clock.nowMs();
    const timeout = new AbortController();
    const cancelTimeout = clock.setTimeout(
      () => timeout.abort(new Error(`no end after ${reconcileTimeoutMs} ms`)),
      reconcileTimeoutMs,
    );
    const onAbort = (): void => timeout.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let result: Outcome["result"] | "conflict" | "error" = "error";
    try {
      const outcome = await this.#options.reconcile(key, timeout.signal);
      result = outcome.result;
      this.#queue.forget(key);
      if (outcome.result === "requeueAfter") this.#queue.addAfter(key, outcome.delayMs);
      if (outcome.result === "terminal") log.warn({ kind, key, reason: outcome.reason }, "waits for a change");
    } catch (error) {
      if (signal.aborted) return;
      // A conflict is how optimistic writes say "look again": expected, so no noise.
      result = isKubernetesError(error, "CONFLICT") ? "conflict" : "error";
      if (result === "error") log.error({ kind, key, err: error, failures: this.#queue.failuresOf(key) + 1 }, "reconcile failed");
      this.#queue.addRateLimited(key);
    } finally {
      cancelTimeout();
      signal.removeEventListener("abort", onAbort);
      metrics?.reconciles.inc({ kind, result });
      metrics?.reconcileSeconds.observe({ kind }, (clock.nowMs() - startedAtMs) / 1000);
    }
  }
}

function ownKey<T extends KubernetesObject>(change: CacheChange<T>): Iterable<ObjectKey> {
  return [change.key];
}

/** The object was created, its spec changed, or it is being deleted: whoever did so waits for what comes of it. */
function isSomebodysDoing<T extends KubernetesObject>({ type, object, previous }: CacheChange<T>): boolean {
  if (type !== "modified" || previous === undefined) return type === "added";
  const { generation, deletionTimestamp } = object.metadata;
  return generation !== previous.metadata.generation || deletionTimestamp !== previous.metadata.deletionTimestamp;
}

/** Maps a child to its owners of one kind, before and after the change. */
export function ownersOfKind<T extends KubernetesObject>(kind: string, apiVersion: string): KeysOf<T> {
  return ({ object, previous }) => {
    const keys = new Set<ObjectKey>();
    for (const { metadata } of previous ? [object, previous] : [object]) {
      for (const owner of metadata.ownerReferences ?? []) {
        if (owner.kind !== kind || groupOf(owner.apiVersion) !== groupOf(apiVersion)) continue;
        keys.add(keyOf({ name: owner.name, namespace: metadata.namespace }));
      }
    }
    return keys;
  };
}

/** The version of an owner reference may be an older one of the same group. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}
