/**
 * Keeps a cache equal to what the API server holds: LIST in pages, then WATCH from there, for ever.
 *
 *   list ──► watch ──► (server's timeout, broken connection, silence) ──► watch again from the last version seen
 *    ▲                                                                        │
 *    └──────────────────── 410 Gone ◄─────────────────────────────────────────┘
 *
 * Nothing ends it but its signal. While it cannot see, it is *blind*, and says since when.
 */
import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { Random } from "@bellwether/service-kit/random";
import { type Backoff, backoffMs } from "./backoff.ts";
import type { KubernetesClient, WatchEvent } from "./client.ts";
import { KubernetesError, isKubernetesError } from "./errors.ts";
import type { ObjectCache } from "./object-cache.ts";
import { type KubernetesObject, type ObjectKey, keyOf } from "./objects.ts";
import type { Resource } from "./resource.ts";

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly client: Pick<KubernetesClient, "list" | "watch" | "lastHeardMs">;
  readonly resource: Resource<T>;
  readonly cache: ObjectCache<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Counted for the metric of restarts: why a watch ended. */
  readonly onRestart?: (reason: RestartReason) => void;
}

export type RestartReason = "ended" | "expired" | "throttled" | "broken" | "frozen" | "silent" | "refused";

/** The first dial after a watch that worked is at once; from the second on this. */
const retryBackoff: Backoff = { baseMs: 50, maxMs: 10_000 };
/** A watch that held at least so long, or brought anything, was a working one. */
const workedMs = 1000;
/** The API server sends a bookmark about once a minute; three without a word, and the watch is taken for dead though the connection answers. */
const silenceMs = 180_000;
/** Silence of the connection (heartbeats included) after which an open watch counts as blind. */
const deafAfterMs = 10_000;

export class Reflector<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #firstList = Promise.withResolvers<void>();
  #resourceVersion: string | undefined;
  #blindSinceMs: number | undefined;
  #synced = false;
  #failures = 0;
  #broughtNews = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#blindSinceMs = options.clock.nowMs();
  }

  get hasSynced(): boolean {
    return this.#synced;
  }

  /** Resolves after the first complete LIST. */
  synced(): Promise<void> {
    return this.#firstList.promise;
  }

  /** Milliseconds for which changes would not have been seen; 0 while the watch stands. */
  blindMs(): number {
    const nowMs = this.#options.clock.nowMs();
    if (this.#blindSinceMs !== undefined) return nowMs - this.#blindSinceMs;
    const heardMs = this.#options.client.lastHeardMs();
    return heardMs !== undefined && nowMs - heardMs > deafAfterMs ? nowMs - heardMs : 0;
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delayMs = await this.#round(signal);
      if (delayMs > 0 && !signal.aborted) await this.#options.clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** One list (where needed) and one watch. Returns how long to wait before the next. */
  async #round(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    let openedAtMs: number | undefined;
    this.#broughtNews = false;
    try {
      this.#resourceVersion ??= await this.#list(signal);
      await this.#watch(this.#resourceVersion, {
        signal,
        onOpen: () => {
          openedAtMs = clock.nowMs();
          this.#blindSinceMs = undefined;
        },
      });
      return this.#next("ended", openedAtMs);
    } catch (error) {
      if (signal.aborted) return 0;
      const reason = restartReasonOf(error);
      this.#report(reason, error);
      if (reason === "expired") this.#resourceVersion = undefined;
      const retryAfterMs = isKubernetesError(error) ? error.context.retryAfterMs : undefined;
      return Math.max(retryAfterMs ?? 0, this.#next(reason, openedAtMs));
    }
  }

  /** A cut heals by itself; a refusal (a role that lacks `watch`, a CRD that is missing) or a long failure wants a person. */
  #report(reason: RestartReason, error: unknown): void {
    const { log, resource } = this.#options;
    const wantsPerson = reason === "refused" || this.#failures >= 5;
    log[wantsPerson ? "warn" : "debug"](
      { kind: resource.kind, reason, err: error, blindMs: this.blindMs() },
      "watch interrupted",
    );
  }

  #next(reason: RestartReason, openedAtMs: number | undefined): number {
    const { clock, client, random, onRestart } = this.#options;
    const nowMs = clock.nowMs();
    // A frozen watch saw nothing since the connection last spoke, not since it was found out.
    this.#blindSinceMs ??= reason === "frozen" ? Math.min(nowMs, client.lastHeardMs() ?? nowMs) : nowMs;
    onRestart?.(reason);
    const worked = this.#broughtNews || (openedAtMs !== undefined && nowMs - openedAtMs >= workedMs);
    this.#failures = worked ? 0 : this.#failures + 1;
    return this.#failures === 0 ? 0 : backoffMs(retryBackoff, this.#failures, random);
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, resource, cache, namespace } = this.#options;
    const seen = new Set<ObjectKey>();
    let token: string | undefined;
    for (;;) {
      const page = await client.list(resource, { ...this.#scope(), ...(token === undefined ? {} : { continue: token }) });
      signal.throwIfAborted();
      for (const object of page.items) {
        seen.add(keyOf(object.metadata));
        cache.observeListed(object);
      }
      token = page.continue;
      if (token !== undefined) continue;
      cache.retain(seen, { resourceVersion: page.resourceVersion, ...(namespace === undefined ? {} : { namespace }) });
      this.#synced = true;
      this.#firstList.resolve();
      return page.resourceVersion;
    }
  }

  async #watch(resourceVersion: string, run: { signal: AbortSignal; onOpen: () => void }): Promise<void> {
    const { client, resource, clock, random } = this.#options;
    const silent = new AbortController();
    const armSilence = () => clock.setTimeout(() => silent.abort(new WatchSilent(resource.kind)), silenceMs);
    let cancelSilence = armSilence();
    // Jittered, so that the watches of a process (and of many) do not end together.
    const timeoutSeconds = Math.round(300 + 300 * random.next());
    const handlers = {
      onOpen: run.onOpen,
      onEvent: (event: WatchEvent<T>) => {
        cancelSilence();
        cancelSilence = armSilence();
        this.#take(event);
        this.#broughtNews = true;
      },
    };
    try {
      const options = { ...this.#scope(), resourceVersion, timeoutSeconds };
      await client.watch(resource, { options, handlers }, AbortSignal.any([run.signal, silent.signal]));
    } finally {
      cancelSilence();
    }
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === "BOOKMARK") {
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    this.#resourceVersion = event.object.metadata.resourceVersion;
    if (event.type === "DELETED") this.#options.cache.observeDeleted(event.object);
    else this.#options.cache.observe(event.object);
  }

  #scope(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }
}

class WatchSilent extends KubernetesError {
  constructor(kind: string) {
    super("TIMEOUT", `the watch of ${kind} carried neither event nor bookmark for ${silenceMs} ms`);
  }
}

function restartReasonOf(error: unknown): RestartReason {
  if (error instanceof WatchSilent) return "silent";
  if (!(error instanceof KubernetesError)) return "broken";
  if (error.code === "EXPIRED") return "expired";
  if (error.code === "TOO_MANY_REQUESTS") return "throttled";
  if (error.code === "CONNECTION_FROZEN") return "frozen";
  return error.context.status === undefined ? "broken" : "refused";
}
