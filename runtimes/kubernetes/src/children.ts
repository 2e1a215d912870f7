import { createHash } from "node:crypto";
import type { KubernetesClient } from "./client.ts";
import { KubernetesError } from "./errors.ts";
import type { KubernetesObject, ObjectRef, OwnerReference, Stored } from "./objects.ts";
import { type Resource, apiVersionOf } from "./resource.ts";
import { isSubset } from "./subset.ts";

/** Hash of what was applied last: a field that is no longer desired is seen by it, not by the subset comparison. */
export const appliedHashAnnotation = "bellwether.dev/applied-hash";

/** A reference to the one controlling owner. */
export function controllerReference(owner: Stored<KubernetesObject>, resource: Resource): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function isOwnedBy(object: KubernetesObject, ownerUid: string): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === ownerUid) ?? false;
}

export interface Child<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  /** What should be, without owner reference and hash: they are added here. */
  readonly desired: T;
  /** What the cache holds under that name. */
  readonly live: Stored<T> | undefined;
  readonly owner: OwnerReference;
  /**
   * The cache holds every object of this kind (no label selector), so what it does not hold is not there. Otherwise a
   * missing child is looked up first: a forced apply would take a stranger's object over.
   */
  readonly cacheIsComplete?: boolean;
}

export interface EnsureResult<T extends KubernetesObject> {
  /** `terminating`: the old object is being deleted; its end is a watch event away. */
  readonly action: "unchanged" | "applied" | "terminating";
  readonly object: Stored<T>;
}

/**
 * Makes a child be as desired, and writes only when it is not.
 * @throws KubernetesError NAME_TAKEN when an object of that name exists that the owner does not own
 */
export async function ensureChild<T extends KubernetesObject>(
  client: Pick<KubernetesClient, "apply" | "get">,
  child: Child<T>,
): Promise<EnsureResult<T>> {
  const { resource, owner } = child;
  const live = child.live ?? (child.cacheIsComplete ? undefined : await client.get(resource, nameOf(child.desired)));
  if (live && !isOwnedBy(live, owner.uid)) throw nameTaken(resource, live, owner);
  if (live?.metadata.deletionTimestamp !== undefined) return { action: "terminating", object: live };
  const desired = withOwner(child.desired, owner);
  if (live && isSubset(desired, live)) return { action: "unchanged", object: live };
  return { action: "applied", object: await client.apply(resource, desired) };
}

function nameOf({ metadata }: KubernetesObject): ObjectRef {
  return { name: metadata.name ?? "", ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
}

/** The object as it is applied: with its owner and the hash of the rest. */
export function withOwner<T extends KubernetesObject>(object: T, owner: OwnerReference): T {
  const metadata = { ...object.metadata, ownerReferences: [owner] };
  const hash = createHash("sha256")
    .update(JSON.stringify({ ...object, metadata }))
    .digest("base64url")
    .slice(0, 22);
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, [appliedHashAnnotation]: hash } } };
}

function nameTaken(resource: Resource, live: Stored<KubernetesObject>, owner: OwnerReference): KubernetesError {
  const { name, namespace } = live.metadata;
  const advice = `delete or rename it, or rename ${owner.kind} ${owner.name}`;
  return new KubernetesError(
    "NAME_TAKEN",
    `${resource.kind} ${name} exists and is not owned by ${owner.kind} ${owner.name}: ${advice}`,
    {
      context: { kind: resource.kind, name, ...(namespace === undefined ? {} : { namespace }) },
    },
  );
}
