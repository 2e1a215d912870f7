import type { Metrics } from "@bellwether/service-kit/metrics";

type Counter<Label extends string> = ReturnType<typeof Metrics.prototype.counter<Label>>;
type Gauge<Label extends string> = ReturnType<typeof Metrics.prototype.gauge<Label>>;
type Histogram<Label extends string> = ReturnType<typeof Metrics.prototype.histogram<Label>>;

/** The standard metrics of a controller process; names of client-go and controller-runtime where they have one. */
export class KubernetesMetrics {
  readonly reconciles: Counter<"kind" | "result">;
  readonly reconcileSeconds: Histogram<"kind">;
  readonly watchRestarts: Counter<"kind" | "reason">;
  readonly queueDepth: Gauge<"name">;
  readonly queueAdds: Counter<"name">;
  readonly queueRetries: Counter<"name">;
  readonly queueSeconds: Histogram<"name">;
  readonly workSeconds: Histogram<"name">;
  readonly unfinishedSeconds: Gauge<"name">;
  readonly longestRunningSeconds: Gauge<"name">;
  readonly isLeader: Gauge<"name">;
  readonly eventsDropped: Counter<"reason">;
  readonly #blind: Gauge<"kind">;
  readonly #blindness = new Map<string, Set<() => number>>();
  readonly #running = new Map<string, () => { readonly sumMs: number; readonly longestMs: number }>();

  constructor(metrics: Metrics) {
    this.reconciles = metrics.counter("bellwether_reconcile_total", {
      help: "Reconciles by kind and result.",
      labels: ["kind", "result"],
    });
    this.reconcileSeconds = metrics.histogram("bellwether_reconcile_seconds", {
      help: "Duration of a reconcile.",
      labels: ["kind"],
    });
    this.watchRestarts = metrics.counter("bellwether_watch_restarts_total", {
      help: "Watches that ended, by why.",
      labels: ["kind", "reason"],
    });
    this.#blind = metrics.gauge("bellwether_watch_blind_seconds", {
      help: "For how long changes of this kind would not have been seen; 0 while the watch stands.",
      labels: ["kind"],
    });
    this.queueDepth = metrics.gauge("workqueue_depth", { help: "Keys that wait.", labels: ["name"] });
    this.queueAdds = metrics.counter("workqueue_adds_total", { help: "Keys added.", labels: ["name"] });
    this.queueRetries = metrics.counter("workqueue_retries_total", {
      help: "Keys added again after a failure.",
      labels: ["name"],
    });
    this.queueSeconds = metrics.histogram("workqueue_queue_duration_seconds", {
      help: "Waiting in the queue.",
      labels: ["name"],
    });
    this.workSeconds = metrics.histogram("workqueue_work_duration_seconds", {
      help: "Time from taken to done.",
      labels: ["name"],
    });
    this.unfinishedSeconds = metrics.gauge("workqueue_unfinished_work_seconds", {
      help: "Running work, summed.",
      labels: ["name"],
    });
    this.longestRunningSeconds = metrics.gauge("workqueue_longest_running_processor_seconds", {
      help: "Age of the longest running work.",
      labels: ["name"],
    });
    this.isLeader = metrics.gauge("leader_election_master_status", {
      help: "1 while this replica holds the lease.",
      labels: ["name"],
    });
    this.eventsDropped = metrics.counter("bellwether_events_dropped_total", {
      help: "Events not written, by why.",
      labels: ["reason"],
    });
    this.#collectAtScrape();
  }

  /** Several watches of a kind show the longest blindness. */
  observeBlindness(kind: string, blindMs: () => number): void {
    const probes = this.#blindness.get(kind) ?? new Set();
    this.#blindness.set(kind, probes.add(blindMs));
  }

  observeRunning(name: string, running: () => { readonly sumMs: number; readonly longestMs: number }): void {
    this.#running.set(name, running);
  }

  /** These depend on now, so they are computed when they are read. */
  #collectAtScrape(): void {
    collectWith(this.#blind, () => {
      for (const [kind, probes] of this.#blindness) {
        this.#blind.set({ kind }, Math.max(...[...probes].map((blindMs) => blindMs())) / 1000);
      }
    });
    collectWith(this.unfinishedSeconds, () => {
      for (const [name, running] of this.#running) {
        const { sumMs, longestMs } = running();
        this.unfinishedSeconds.set({ name }, sumMs / 1000);
        this.longestRunningSeconds.set({ name }, longestMs / 1000);
      }
    });
  }
}

/** prom-client calls `collect` before it reads a metric; its types keep the member to the constructor. */
function collectWith(gauge: object, collect: () => void): void {
  Object.assign(gauge, { collect });
}
