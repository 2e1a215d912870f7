import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { Random } from "@bellwether/service-kit/random";
import type { KubernetesClient } from "./client.ts";
import type { KubernetesMetrics } from "./kubernetes-metrics.ts";
import { ObjectCache, type Transform } from "./object-cache.ts";
import type { KubernetesObject, ObjectRef, Stored } from "./objects.ts";
import { Reflector } from "./reflector.ts";
import type { Resource } from "./resource.ts";

export interface InformerOptions<T extends KubernetesObject> {
  readonly client: Pick<KubernetesClient, "list" | "watch" | "lastHeardMs">;
  readonly resource: Resource<T>;
  /** One watch each; none: one over the whole cluster. */
  readonly namespaces?: readonly string[];
  /** Only objects with these labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** For instance `metadata.name=policy`. */
  readonly fieldSelector?: string;
  /** Default: `stripBookkeeping`. */
  readonly transform?: Transform<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: KubernetesMetrics;
}

/** A watched kind: its cache and the reflectors that keep it true. */
export class Informer<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly cache: ObjectCache<T>;
  readonly #reflectors: readonly Reflector<T>[];
  readonly #options: InformerOptions<T>;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.resource = options.resource;
    this.cache = new ObjectCache<T>(options.transform);
    const { client, resource, clock, random, log, metrics, fieldSelector } = options;
    const labelSelector = Object.entries(options.labels ?? {}).map(([label, value]) => `${label}=${value}`).join(","); // prettier-ignore
    const namespaces: readonly (string | undefined)[] = options.namespaces?.length ? options.namespaces : [undefined];
    this.#reflectors = namespaces.map(
      (namespace) =>
        new Reflector<T>({
          client,
          resource,
          cache: this.cache,
          clock,
          random,
          log,
          ...(namespace === undefined ? {} : { namespace }),
          ...(labelSelector === "" ? {} : { labelSelector }),
          ...(fieldSelector === undefined ? {} : { fieldSelector }),
          ...(metrics === undefined ? {} : { onRestart: (reason) => metrics.watchRestarts.inc({ kind: resource.kind, reason }) }),
        }),
    );
    metrics?.observeBlindness(resource.kind, () => this.blindMs());
  }

  get hasSynced(): boolean {
    return this.#reflectors.every((reflector) => reflector.hasSynced);
  }

  async synced(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced()));
  }

  /** The longest blindness of its watches, milliseconds. */
  blindMs(): number {
    return Math.max(...this.#reflectors.map((reflector) => reflector.blindMs()));
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
  }

  /** True when an object of ours belongs into this cache. With a field selector only what the watch brought does. */
  selects(object: Stored<T>): boolean {
    const { namespaces, labels, fieldSelector } = this.#options;
    const { metadata } = object;
    if (namespaces?.length && !namespaces.includes(metadata.namespace ?? "")) return false;
    if (fieldSelector !== undefined && !this.#has(metadata)) return false;
    return Object.entries(labels ?? {}).every(([label, value]) => metadata.labels?.[label] === value);
  }

  #has({ namespace, name }: Partial<ObjectRef>): boolean {
    return this.cache.get(namespace === undefined ? (name ?? "") : `${namespace}/${name ?? ""}`) !== undefined;
  }
}
