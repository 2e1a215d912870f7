import type {
  ApplyOptions,
  DeleteOptions,
  KubernetesClient,
  ListOptions,
  Page,
  PatchOptions,
  WatchHandlers,
  WatchOptions,
} from "./client.ts";
import type { Informer } from "./informer.ts";
import { type KubernetesObject, type ObjectRef, type Stored, keyOf } from "./objects.ts";
import type { Resource } from "./resource.ts";

/** The informer of a kind, whatever its type: a cache takes what the API answered for its own resource. */
type AnyInformer = Informer<KubernetesObject>;

/**
 * The client that controllers write with: every answer to a write is laid over the watched cache at once, so that the next
 * reconcile never decides on a state older than its own writes (a stale cache creates duplicates).
 */
export class CachedClient implements KubernetesClient {
  readonly #client: KubernetesClient;
  readonly #informers = new Map<string, AnyInformer[]>();

  constructor(client: KubernetesClient, informers: readonly { readonly resource: Resource }[]) {
    this.#client = client;
    for (const informer of informers as readonly AnyInformer[]) {
      const id = idOf(informer.resource);
      this.#informers.set(id, [...(this.#informers.get(id) ?? []), informer]);
    }
  }

  lastHeardMs(): number | undefined {
    return this.#client.lastHeardMs();
  }

  get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef): Promise<Stored<T> | undefined> {
    return this.#client.get(resource, ref);
  }

  list<T extends KubernetesObject>(resource: Resource<T>, options?: ListOptions): Promise<Page<T>> {
    return this.#client.list(resource, options);
  }

  create<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    return this.#write(resource, object.metadata, () => this.#client.create(resource, object));
  }

  apply<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: ApplyOptions): Promise<Stored<T>> {
    if (options?.dryRun) return this.#client.apply(resource, object, options);
    return this.#write(resource, object.metadata, () => this.#client.apply(resource, object, options));
  }

  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: { readonly ref: ObjectRef; readonly patch: object },
    options?: PatchOptions,
  ): Promise<Stored<T>> {
    if (options?.dryRun) return this.#client.patch(resource, target, options);
    return this.#write(resource, target.ref, () => this.#client.patch(resource, target, options));
  }

  patchStatus<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, patch: object): Promise<Stored<T>> {
    return this.#write(resource, ref, () => this.#client.patchStatus(resource, ref, patch));
  }

  replace<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>> {
    return this.#write(resource, object.metadata, () => this.#client.replace(resource, object));
  }

  /** A deletion shows in the cache when the watch brings it: whether the object went at once, only the server knows. */
  delete(resource: Resource, ref: ObjectRef, options?: DeleteOptions): Promise<boolean> {
    return this.#client.delete(resource, ref, options);
  }

  watch<T extends KubernetesObject>(
    resource: Resource<T>,
    watch: { readonly options: WatchOptions; readonly handlers: WatchHandlers<T> },
    signal: AbortSignal,
  ): Promise<void> {
    return this.#client.watch(resource, watch, signal);
  }

  raw(path: string, options?: { readonly timeoutMs?: number }): Promise<{ readonly status: number; readonly text: string }> {
    return this.#client.raw(path, options);
  }

  async #write<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: { readonly name?: string; readonly namespace?: string },
    write: () => Promise<Stored<T>>,
  ): Promise<Stored<T>> {
    const informers = this.#informers.get(idOf(resource)) ?? [];
    const ends = informers.map((informer) => ({ informer, end: informer.cache.beginWrite(keyOf(ref)) }));
    let answer: Stored<T> | undefined;
    try {
      answer = await write();
      return answer;
    } finally {
      for (const { informer, end } of ends) end(answer && informer.selects(answer) ? answer : undefined);
    }
  }
}

function idOf(resource: Resource): string {
  return `${resource.group}/${resource.plural}`;
}
