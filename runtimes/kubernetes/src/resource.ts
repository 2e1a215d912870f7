import type { KubernetesObject, ObjectRef } from "./objects.ts";

/** Where a kind lives in the API. `T` is the kind's type, for callers only. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries the type. */
  readonly objectType?: T;
}

export function defineResource<T extends KubernetesObject>(resource: Omit<Resource<T>, "objectType">): Resource<T> {
  return Object.freeze({ ...resource });
}

/** `v1` or `group/version`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** Path of the collection; without a namespace the one over all namespaces. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${resource.plural}`;
}

/** Path of one object, or of its subresource (`status`, `scale` …). */
export function objectPath(resource: Resource, ref: ObjectRef, subresource?: string): string {
  if (resource.namespaced && ref.namespace === undefined) {
    throw new TypeError(`${resource.kind} ${ref.name} is namespaced, but no namespace was given`);
  }
  const suffix = subresource === undefined ? "" : `/${subresource}`;
  return `${collectionPath(resource, ref.namespace)}/${encodeURIComponent(ref.name)}${suffix}`;
}
