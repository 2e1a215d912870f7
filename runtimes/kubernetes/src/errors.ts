import { CodedError } from "@bellwether/service-kit/coded-error";

/** Every error code of this package, with what it means; a test holds the list against the code. */
export const kubernetesErrors = {
  CLUSTER_ACCESS_INVALID: "No usable way to an API server: kubeconfig or service account is missing or has faults.",
  CREDENTIALS_UNREADABLE: "A token, certificate or key that the cluster access names cannot be read.",
  UNREACHABLE: "The API server could not be reached or the connection broke: the outcome of a write is unknown.",
  CONNECTION_FROZEN: "The connection stood open but the API server no longer answered heartbeats on it.",
  TIMEOUT: "The API server did not answer in time: the outcome of a write is unknown.",
  RESPONSE_TOO_LARGE: "An answer or a watch event is larger than the bound.",
  INVALID_RESPONSE: "The API server's answer is not the JSON that was expected.",
  BAD_REQUEST: "400: the API server does not understand the request.",
  UNAUTHORIZED: "401: the credentials are not accepted.",
  FORBIDDEN: "403: the role lacks this verb.",
  NOT_FOUND: "404: no such object or kind.",
  CONFLICT: "409: the object changed in between, or a precondition (uid, resourceVersion) does not hold.",
  ALREADY_EXISTS: "409 AlreadyExists: an object of this name is there.",
  EXPIRED: "410: the resource version is too old; list again.",
  INVALID: "422: the object does not fit its schema.",
  TOO_MANY_REQUESTS: "429: the API server asks to come back later.",
  SERVER_ERROR: "5xx: the API server failed.",
  HTTP_STATUS: "Any other error status.",
  NAME_TAKEN: "A child's name is taken by an object that this owner does not own.",
  FENCED: "Writes are stopped: this replica does not hold the lease, or could not renew it in time.",
  CLOSED: "The connection was closed by its owner.",
} as const;

export type KubernetesErrorCode = keyof typeof kubernetesErrors;

export interface KubernetesErrorContext extends Record<string, unknown> {
  /** HTTP status, where the API server answered. */
  readonly status?: number;
  /** `reason` of the Status object, for instance `AlreadyExists`. */
  readonly reason?: string;
  /** Seconds → milliseconds of a Retry-After header. */
  readonly retryAfterMs?: number;
}

export class KubernetesError extends CodedError<KubernetesErrorCode> {
  declare readonly context: Readonly<KubernetesErrorContext>;

  constructor(code: KubernetesErrorCode, message: string, details: { context?: KubernetesErrorContext; cause?: unknown } = {}) {
    super(code, message, details);
    this.name = "KubernetesError";
  }
}

/** True when `error` is a KubernetesError with one of these codes (any when none is given). */
export function isKubernetesError(error: unknown, ...codes: readonly KubernetesErrorCode[]): error is KubernetesError {
  return error instanceof KubernetesError && (codes.length === 0 || codes.includes(error.code));
}

const codeByStatus: Readonly<Record<number, KubernetesErrorCode>> = {
  400: "BAD_REQUEST",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  409: "CONFLICT",
  410: "EXPIRED",
  422: "INVALID",
  429: "TOO_MANY_REQUESTS",
};

/** The `Status` object that the API server sends with every error, as far as it is used. */
export interface StatusObject {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** Turns an error answer into a KubernetesError. `what` names the request, for instance `PATCH /api/v1/…`. */
export function errorOfStatus(what: string, status: StatusObject, retryAfterMs?: number): KubernetesError {
  const httpStatus = status.code ?? 500;
  const fallback = httpStatus >= 500 ? "SERVER_ERROR" : "HTTP_STATUS";
  const code = status.reason === "AlreadyExists" ? "ALREADY_EXISTS" : (codeByStatus[httpStatus] ?? fallback);
  const seconds = status.details?.retryAfterSeconds;
  const waitMs = retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000);
  const context: KubernetesErrorContext = {
    status: httpStatus,
    ...(status.reason === undefined ? {} : { reason: status.reason }),
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
  };
  return new KubernetesError(code, `${what}: ${httpStatus} ${status.message ?? status.reason ?? ""}`.trimEnd(), { context });
}
