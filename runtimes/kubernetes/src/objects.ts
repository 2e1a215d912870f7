/** What every Kubernetes object has, as it travels: JSON, so times are RFC 3339 strings. */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  /** Stripped from everything in a cache: 30–50 % of an object's bytes. */
  readonly managedFields?: readonly unknown[];
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** An object as the API server returned it: name, uid and version are there. */
export type Stored<T extends KubernetesObject> = T & {
  readonly metadata: ObjectMeta & { readonly name: string; readonly uid: string; readonly resourceVersion: string };
};

export interface ObjectRef {
  readonly name: string;
  /** Absent for cluster-wide kinds. */
  readonly namespace?: string;
}

/** `namespace/name`, or `name` for cluster-wide kinds: the key of caches and work queues. */
export type ObjectKey = string;

export function keyOf(ref: { readonly name?: string | undefined; readonly namespace?: string | undefined }): ObjectKey {
  return ref.namespace === undefined || ref.namespace === "" ? (ref.name ?? "") : `${ref.namespace}/${ref.name ?? ""}`;
}

export function refOf(key: ObjectKey): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * The JSON form of a type of `@kubernetes/client-node`, whose own classes hold `Date`s:
 * `AsJson<V1Pod>` has strings where the wire has strings.
 */
export type AsJson<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly AsJson<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: AsJson<T[Key]> }
      : T;

/** A kind's own type (client-node's, for instance) as an object of this package. */
export type ObjectOf<T> = AsJson<Omit<T, "apiVersion" | "kind" | "metadata">> & KubernetesObject;
