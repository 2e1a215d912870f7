/** Writes status and finalizers: only what differs, so that a settled world is left alone. */
import {
  type EventRecorder,
  type EventText,
  type KubernetesClient,
  type KubernetesObject,
  type Resource,
  type Stored,
  isKubernetesError,
  statusPatch,
} from "@bellwether/kubernetes";

export type OwnKind = KubernetesObject & { readonly status?: object | undefined };

export class StatusWriter {
  readonly #client: KubernetesClient;
  /**
   * Writes that are not laid over the cache. Taking off the last finalizer deletes the object: the watch may say so before the answer to the
   * patch is read, and the answer would bring the object back into the cache for good.
   */
  readonly #uncached: Pick<KubernetesClient, "patch">;
  readonly #events: Pick<EventRecorder, "record">;

  constructor(
    clients: { cached: KubernetesClient; uncached: Pick<KubernetesClient, "patch"> },
    events: Pick<EventRecorder, "record">,
  ) {
    this.#client = clients.cached;
    this.#uncached = clients.uncached;
    this.#events = events;
  }

  /** Whether {@link write} would write it. */
  differs(object: Stored<OwnKind>, next: object): boolean {
    return statusPatch(object.status, next) !== undefined;
  }

  /** True when something was written. Events are about what was written, so none is said twice. */
  async write<T extends OwnKind>(
    target: { resource: Resource<T>; object: Stored<T> },
    next: object,
    events: readonly EventText[],
  ): Promise<boolean> {
    const { resource, object } = target;
    const patch = statusPatch(object.status, next);
    if (!patch) return false;
    await this.#client.patchStatus(resource, refOf(object), patch);
    for (const text of events) this.#events.record(object, text);
    return true;
  }

  record(object: Stored<KubernetesObject>, text: EventText): void {
    this.#events.record(object, text);
  }

  /** CONFLICT when somebody else changed the object meanwhile: the reconcile is repeated. */
  async addFinalizer<T extends OwnKind>(resource: Resource<T>, object: Stored<T>, finalizer: string): Promise<void> {
    const { finalizers = [], resourceVersion } = object.metadata;
    if (finalizers.includes(finalizer)) return;
    await this.#client.patch(resource, {
      ref: refOf(object),
      patch: { metadata: { resourceVersion, finalizers: [...finalizers, finalizer] } },
    });
  }

  async removeFinalizer<T extends OwnKind>(resource: Resource<T>, object: Stored<T>, finalizer: string): Promise<void> {
    const { finalizers = [], resourceVersion } = object.metadata;
    if (!finalizers.includes(finalizer)) return;
    const patch = { metadata: { resourceVersion, finalizers: finalizers.filter((name) => name !== finalizer) } };
    await this.#uncached.patch(resource, { ref: refOf(object), patch }).catch((error: unknown) => {
      // It has gone already: another look at an object that the watch has not taken away yet.
      if (!isKubernetesError(error, "NOT_FOUND")) throw error;
    });
  }
}

export function refOf({ metadata }: Stored<KubernetesObject>): { name: string; namespace?: string } {
  return { name: metadata.name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }) };
}
