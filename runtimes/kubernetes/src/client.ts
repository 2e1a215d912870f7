/** The API as controllers use it: typed by `Resource`, knows no kind. */
import type { KubernetesObject, ObjectRef, Stored } from "./objects.ts";
import type { Resource } from "./resource.ts";

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects a page; default 500. */
  readonly limit?: number;
  readonly continue?: string;
}

export interface Page<T extends KubernetesObject> {
  readonly items: readonly Stored<T>[];
  readonly resourceVersion: string;
  /** Token of the next page; absent on the last. */
  readonly continue?: string;
}

export type WatchEvent<T extends KubernetesObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Stored<T> }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WatchOptions extends Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector"> {
  readonly resourceVersion: string;
  /** After so long the server ends the watch. */
  readonly timeoutSeconds: number;
}

export interface WatchHandlers<T extends KubernetesObject> {
  /** The server accepted the watch. */
  onOpen(): void;
  onEvent(event: WatchEvent<T>): void;
}

export interface ApplyOptions {
  /** Default `bellwether`. */
  readonly fieldManager?: string;
  readonly subresource?: "status";
  readonly dryRun?: boolean;
}

export interface PatchOptions {
  readonly subresource?: string;
  readonly dryRun?: boolean;
}

export interface DeleteOptions {
  /** Preconditions: CONFLICT when the object is another one or changed. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
}

/**
 * Every method throws KubernetesError: UNREACHABLE, TIMEOUT or CONNECTION_FROZEN when no answer came (a write may then have
 * happened), the status' code otherwise. Requests that may be repeated safely (reads, apply, merge patches, replace with a
 * version, delete) are repeated by themselves after a broken connection, 429 and 503, within a bound.
 */
export interface KubernetesClient {
  /** Undefined when there is no such object. */
  get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef): Promise<Stored<T> | undefined>;
  /** One page. EXPIRED when the continue token is too old. */
  list<T extends KubernetesObject>(resource: Resource<T>, options?: ListOptions): Promise<Page<T>>;
  /** POST. ALREADY_EXISTS when the name is taken. Never repeated by itself. */
  create<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>>;
  /** Server-side apply, forced: creates or changes; fields of an earlier apply that are no longer named are removed. */
  apply<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: ApplyOptions): Promise<Stored<T>>;
  /** JSON merge patch: null removes a field, a list is replaced. */
  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: { readonly ref: ObjectRef; readonly patch: object },
    options?: PatchOptions,
  ): Promise<Stored<T>>;
  /** Merge patch of `/status` with `{status: patch}`; see `statusPatch` for the smallest one. */
  patchStatus<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, patch: object): Promise<Stored<T>>;
  /** PUT; CONFLICT when `metadata.resourceVersion` is no longer current. */
  replace<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<Stored<T>>;
  /**
   * False when there was no such object. Resolves when the deletion is accepted, not when the object is gone. Give the uid:
   * repeated after a broken connection, a deletion by name alone may hit a successor of that name.
   */
  delete(resource: Resource, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /** Resolves when the server ended the watch; throws EXPIRED when `resourceVersion` is too old. */
  watch<T extends KubernetesObject>(
    resource: Resource<T>,
    watch: { readonly options: WatchOptions; readonly handlers: WatchHandlers<T> },
    signal: AbortSignal,
  ): Promise<void>;
  /** GET of a path that is no object: `/openid/v1/jwks`, `/version`, `/readyz`, the log of a pod. */
  raw(path: string, options?: { readonly timeoutMs?: number }): Promise<{ readonly status: number; readonly text: string }>;
  /** Wall time at which the API server was last heard on the current connection. */
  lastHeardMs(): number | undefined;
}

/** The manager of every field we apply. */
export const defaultFieldManager = "bellwether";
