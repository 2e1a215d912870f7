/** Makes children be as planned, and takes away those that are planned no longer. */
import {
  type KubernetesClient,
  type KubernetesObject,
  KubernetesError,
  type OwnerReference,
  type Resource,
  type Stored,
  ensureChild,
  keyOf,
} from "@bellwether/kubernetes";
import type { Manifest } from "../child-objects.ts";
import { BY_OWNER, type World } from "./world.ts";

export class ChildWriter {
  readonly #client: KubernetesClient;
  readonly #world: Pick<World, "children">;

  constructor(client: KubernetesClient, world: Pick<World, "children">) {
    this.#client = client;
    this.#world = world;
  }

  /** @throws KubernetesError NAME_TAKEN when an object of that name is somebody else's */
  async ensure(owner: OwnerReference, manifests: readonly Manifest[]): Promise<void> {
    for (const desired of manifests) {
      const { resource, cache } = this.#informer(desired.kind);
      await ensureChild(this.#client, { resource, desired, live: cache.get(keyOf(desired.metadata)), owner });
    }
  }

  /** Deletes what this owner owns and no longer wants: a broker whose account left the policy. */
  async removeOthers(owner: OwnerReference, wanted: readonly Manifest[]): Promise<void> {
    const names = new Set(wanted.map(({ kind, metadata }) => `${kind} ${metadata.name ?? ""}`));
    for (const informer of this.#world.children.values()) {
      for (const child of informer.cache.byIndex(BY_OWNER, owner.uid)) {
        const { name, namespace, uid, deletionTimestamp } = child.metadata;
        if (names.has(`${informer.resource.kind} ${name}`) || deletionTimestamp !== undefined) continue;
        await this.#client.delete(informer.resource, { name, ...(namespace !== undefined && { namespace }) }, { uid });
      }
    }
  }

  /** Says that a name which must be deterministic is somebody else's. @throws KubernetesError NAME_TAKEN */
  refuse(resource: Resource, { live, owner }: { live: Stored<KubernetesObject>; owner: OwnerReference }): never {
    const { name, namespace } = live.metadata;
    const message = `${resource.kind} ${name} exists and is not owned by ${owner.kind} ${owner.name}: delete or rename it, or rename ${owner.kind} ${owner.name}`;
    throw new KubernetesError("NAME_TAKEN", message, { context: { kind: resource.kind, name, namespace } });
  }

  #informer(kind: string) {
    const informer = this.#world.children.get(kind);
    if (!informer) throw new TypeError(`${kind} is not among the kinds of children`);
    return informer;
  }
}
