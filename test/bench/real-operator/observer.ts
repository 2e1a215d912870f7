/** The benchmark's own eyes and hands: creates Strategies, sees when they have a status, counts what the API server was made to write. */
import type { Strategy } from "@bellwether/crds";
import { type ApiClient, Informer } from "@bellwether/kubernetes";
import { clusterRules } from "@bellwether/operator/rbac";
import { strategies } from "@bellwether/operator/resources";
import { silentLogger as log, systemClock as clock, systemRandom as random } from "@bellwether/service-kit";
import { strategy } from "../../integration/operator/harness.ts";
import { namespace } from "./surroundings.ts";

const creators = 20;
const limitMs = 300_000;

/** What the operator may write, by its own rules. Leases are not among them: they are renewed for ever. */
const writable = new Set(
  clusterRules()
    .filter(({ verbs }) => verbs.some((verb) => ["create", "update", "patch", "delete"].includes(verb)))
    .flatMap(({ resources }) => resources ?? [])
    .map((resource) => resource.split("/")[0] ?? ""),
);

export class Observer {
  readonly #client: ApiClient;
  readonly #informer: Informer<Strategy>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** When a Strategy was first seen with a status; by name. */
  readonly #firstStatusMs = new Map<string, number>();
  readonly #waiters = new Set<() => void>();

  constructor(client: ApiClient) {
    this.#client = client;
    this.#informer = new Informer<Strategy>({ client, resource: strategies, clock, random, log });
    this.#informer.cache.subscribe(({ object }) => {
      if (object.status?.phase === undefined || this.#firstStatusMs.has(object.metadata.name)) return;
      this.#firstStatusMs.set(object.metadata.name, performance.now());
      for (const look of this.#waiters) look();
    });
    this.#running = this.#informer.run(this.#stop.signal);
  }

  /**
   * Applies a Strategy and waits for its first status.
   * @returns milliseconds until it was seen, from sending the request and from the API server's answer
   */
  async apply(name: string, spec: Partial<Strategy["spec"]>): Promise<{ fromRequestMs: number; fromAnswerMs: number }> {
    const sentMs = performance.now();
    await this.#client.create(strategies, strategy(namespace, name, spec));
    const answeredMs = performance.now();
    await this.#until(`the status of ${name}`, () => this.#firstStatusMs.has(name));
    const seenMs = this.#firstStatusMs.get(name) ?? Number.NaN;
    return { fromRequestMs: seenMs - sentMs, fromAnswerMs: Math.max(0, seenMs - answeredMs) };
  }

  /**
   * What the API server alone takes: each Strategy is created and its status written at once by who created it, all of them at the same time. No
   * operator can be faster. Before the operator starts; what was made is deleted again.
   * @returns milliseconds from sending each to the answer about its status
   */
  async floor(name: string, count: number, spec: Partial<Strategy["spec"]>): Promise<number[]> {
    const startedAtMs = performance.now();
    const condition = {
      type: "Ready",
      status: "Unknown",
      reason: "Accepted",
      message: "seen",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    const status = { phase: "Pending", observedGeneration: 1, conditions: [condition] };
    const refs = Array.from({ length: count }, (_, index) => ({ namespace, name: `${name}-${index}` }));
    const times = await Promise.all(
      refs.map(async (ref) => {
        await this.#client.create(strategies, strategy(namespace, ref.name, spec));
        await this.#client.patchStatus(strategies, ref, status);
        return performance.now() - startedAtMs;
      }),
    );
    await Promise.all(refs.map((ref) => this.#client.delete(strategies, ref)));
    return times;
  }

  /** Creates `count` Strategies, some at a time, and waits until each has a status. @returns milliseconds from the first request to the last status */
  async fill(count: number, spec: Partial<Strategy["spec"]>): Promise<number> {
    const startedAtMs = performance.now();
    const names = Array.from({ length: count }, (_, index) => `fill-${String(index).padStart(5, "0")}`);
    const expected = this.#firstStatusMs.size + count;
    const rest = names.values();
    const create = async (): Promise<void> => {
      for (const name of rest) await this.#client.create(strategies, strategy(namespace, name, spec));
    };
    await Promise.all(Array.from({ length: creators }, create));
    await this.#until("a status everywhere", () => this.#firstStatusMs.size >= expected);
    return Math.max(...names.map((name) => this.#firstStatusMs.get(name) ?? 0)) - startedAtMs;
  }

  /** Writes the API server has taken so far for all that the operator may write, whoever made them. */
  async writes(): Promise<number> {
    const { text } = await this.#client.raw("/metrics");
    let writes = 0;
    for (const line of text.split("\n")) {
      if (!line.startsWith("apiserver_request_total{")) continue;
      const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? "";
      const isWrite = /^(POST|PUT|PATCH|APPLY|DELETE)/.test(label("verb"));
      if (isWrite && writable.has(label("resource"))) writes += Number(line.slice(line.lastIndexOf(" ")));
    }
    return writes;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the measurement is over"));
    await this.#running;
  }

  #until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
      };
      const look = (): void => {
        if (!holds()) return;
        end();
        resolve();
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`${what}: not within ${limitMs / 1000} s`));
      }, limitMs);
      this.#waiters.add(look);
      look();
    });
  }
}
