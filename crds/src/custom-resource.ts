export const GROUP = "bellwether.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;
/** `kubectl get bellwether` lists every kind of ours. */
export const CATEGORY = "bellwether";

/** What the API server keeps about every object. Times are RFC 3339. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** One object of one of our kinds, as the API server stores it. */
export interface CustomResource<Kind extends string, Spec, Status> {
  apiVersion: typeof API_VERSION;
  kind: Kind;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}

/** What a kind is called in the API, on the command line and in paths. */
export interface ResourceNames<Kind extends string = string> {
  readonly kind: Kind;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
}

/** Annotations that a person or the kubectl plugin writes. */
export const ANNOTATION = {
  /** RiskPolicy: stops trading; the value is the reason. Only `resume` clears it. */
  halt: `${GROUP}/halt`,
  /** RiskPolicy: lets only orders pass that shrink a position; the value is the reason. Only `resume` clears it. */
  reduce: `${GROUP}/reduce`,
  /** RiskPolicy: re-arms a breaker that only a person may re-arm. */
  resetBreaker: `${GROUP}/reset-breaker`,
  /** Checkpoint: asks for a restore; the value is an id. */
  restore: `${GROUP}/restore`,
  /** Any kind: release the finalizer now, whatever is left outside. */
  forceDelete: `${GROUP}/force-delete`,
} as const;

/** Labels of ours on every child, by kind of the owner. */
export const OWNER_LABEL = {
  Strategy: `${GROUP}/strategy`,
  LlmRoute: `${GROUP}/llmroute`,
  RiskPolicy: `${GROUP}/riskpolicy`,
  Checkpoint: `${GROUP}/checkpoint`,
} as const;
