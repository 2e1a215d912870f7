import { createHash } from "node:crypto";
import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import { type Event, events } from "./builtin-resources.ts";
import type { KubernetesClient } from "./client.ts";
import { rfc3339Micro } from "./conditions.ts";
import { isKubernetesError } from "./errors.ts";
import type { KubernetesMetrics } from "./kubernetes-metrics.ts";
import type { KubernetesObject, Stored } from "./objects.ts";

export interface EventRecorderOptions {
  readonly client: Pick<KubernetesClient, "create" | "patch">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubernetesMetrics;
  /** For instance `bellwether.dev/operator`. */
  readonly controller: string;
  /** The pod's name. */
  readonly instance: string;
}

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** CamelCase. */
  readonly reason: string;
  /** What was done or tried, CamelCase. */
  readonly action: string;
  readonly note: string;
  /** Something that happened once, elsewhere: its event gets a name of its own, so that no restart and no second process writes it again. */
  readonly once?: { readonly id: string; readonly atMs: number };
}

/** Events of one kind about one object that are known; the oldest is forgotten first. */
const maxSeries = 1000;
/** A repeated event is written at most so often: as a count in its series. */
const seriesIntervalMs = 300_000;
/** A series that rested so long is over: the next event is a new one. */
const seriesEndMs = 3_600_000;
/** Writes that wait; more are dropped and counted. */
const maxWaiting = 500;
/** Events about one object within a window; more are dropped and counted. */
const maxPerObject = 25;
const perObjectWindowMs = 300_000;
const maxNoteLength = 1000;
/** `--event-ttl` of kube-apiserver, by default. */
const keptByServerMs = 3_600_000;

interface Series {
  readonly name: string;
  readonly namespace: string;
  count: number;
  writtenCount: number;
  writtenAtMs: number;
  lastMs: number;
}

/**
 * Events for `kubectl describe` and `kubectl events`: the same event again raises the count of its series, seldom written.
 * Recording never fails and never waits: an event is a courtesy, a reconcile must not depend on it.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  /** Ids of what is written once. */
  readonly #written = new Map<string, true>();
  readonly #perObject = new Map<string, { sinceMs: number; count: number }>();
  readonly #waiting: (() => Promise<unknown>)[] = [];
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(regarding: Stored<KubernetesObject>, text: EventText): void {
    const nowMs = this.#options.clock.nowMs();
    const note = text.note.slice(0, maxNoteLength);
    if (text.once) {
      this.#recordOnce(regarding, { ...text, note, once: text.once });
      return;
    }
    const id = [regarding.metadata.uid, text.type, text.reason, text.action, note].join("\u0000");
    const series = this.#series.get(id);
    if (series && nowMs - series.lastMs < seriesEndMs) {
      this.#repeat({ id, series, nowMs });
      return;
    }
    if (!this.#mayStart(regarding.metadata.uid, nowMs)) {
      this.#options.metrics?.eventsDropped.inc({ reason: "object_limit" });
      return;
    }
    const event = this.#eventOf(regarding, { text: { ...text, note }, name: hashOf(`${id}${nowMs}`), atMs: nowMs });
    const { name, namespace } = event.metadata;
    if (name === undefined || namespace === undefined) return;
    remember(this.#series, id, { name, namespace, count: 1, writtenCount: 1, writtenAtMs: nowMs, lastMs: nowMs });
    this.#write(() => this.#options.client.create(events, event));
  }

  #recordOnce(regarding: Stored<KubernetesObject>, { once, ...text }: EventText & Required<Pick<EventText, "once">>): void {
    const nowMs = this.#options.clock.nowMs();
    const id = `${regarding.metadata.uid}\u0000${once.id}`;
    // The API server forgets events after an hour; what is older would come back with every restart.
    if (this.#written.has(id) || nowMs - once.atMs >= keptByServerMs) return;
    if (!this.#mayStart(regarding.metadata.uid, nowMs)) {
      this.#options.metrics?.eventsDropped.inc({ reason: "object_limit" });
      return;
    }
    remember(this.#written, id, true);
    const event = this.#eventOf(regarding, { text, name: hashOf(id), atMs: once.atMs });
    this.#write(() =>
      this.#options.client.create(events, event).catch((error: unknown) => {
        if (isKubernetesError(error, "ALREADY_EXISTS")) return;
        this.#written.delete(id); // the next look tells it again
        throw error;
      }),
    );
  }

  /** Resolves when nothing waits to be written any more. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  #repeat({ id, series, nowMs }: { id: string; series: Series; nowMs: number }): void {
    series.count++;
    series.lastMs = nowMs;
    remember(this.#series, id, series);
    if (nowMs - series.writtenAtMs < seriesIntervalMs) return;
    series.writtenAtMs = nowMs;
    series.writtenCount = series.count;
    const { name, namespace, count } = series;
    const patch = { series: { count, lastObservedTime: rfc3339Micro(nowMs) } };
    this.#write(async () => {
      try {
        await this.#options.client.patch(events, { ref: { name, namespace }, patch });
      } catch (error) {
        if (isKubernetesError(error, "NOT_FOUND")) this.#series.delete(id); // expired in the cluster: the next one starts anew
        throw error;
      }
    });
  }

  #mayStart(uid: string, nowMs: number): boolean {
    const window = this.#perObject.get(uid);
    if (!window || nowMs - window.sinceMs >= perObjectWindowMs) {
      remember(this.#perObject, uid, { sinceMs: nowMs, count: 1 });
      return true;
    }
    window.count++;
    return window.count <= maxPerObject;
  }

  #eventOf(regarding: Stored<KubernetesObject>, event: { text: EventText; name: string; atMs: number }): Event {
    const { controller, instance } = this.#options;
    const { name, namespace = "default", uid } = regarding.metadata;
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${event.name}`, namespace },
      eventTime: rfc3339Micro(event.atMs),
      reportingController: controller,
      reportingInstance: instance,
      ...event.text,
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        name,
        uid,
        ...(regarding.metadata.namespace === undefined ? {} : { namespace }),
      },
    };
  }

  #write(write: () => Promise<unknown>): void {
    if (this.#waiting.length >= maxWaiting) {
      this.#options.metrics?.eventsDropped.inc({ reason: "queue_full" });
      return;
    }
    this.#waiting.push(write);
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  async #drain(): Promise<void> {
    for (let write = this.#waiting.shift(); write; write = this.#waiting.shift()) {
      try {
        await write();
      } catch (error) {
        this.#options.metrics?.eventsDropped.inc({ reason: "write_failed" });
        this.#options.log.debug({ err: error }, "an event was not written");
      }
    }
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Puts an entry at the young end of a bounded map. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= maxSeries) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
