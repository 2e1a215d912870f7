import { messageOf } from "@bellwether/service-kit/coded-error";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";

/** What was asked of a bucket: for the message, and because the same refusal means something else for a write. */
export interface S3Request {
  readonly copy: string;
  readonly method: "GET" | "PUT" | "DELETE";
  readonly key: string;
}

export interface S3Refusal {
  readonly status: number;
  /** `Code` and `Message` of the answer's XML; empty when there is none. */
  readonly code: string;
  readonly message: string;
}

const codesByName: Readonly<Record<string, CheckpointErrorCode>> = {
  RequestTimeTooSkewed: "COPY_CLOCK_SKEW",
  RequestExpired: "COPY_CLOCK_SKEW",
  InvalidAccessKeyId: "COPY_CREDENTIALS_REFUSED",
  SignatureDoesNotMatch: "COPY_CREDENTIALS_REFUSED",
  InvalidToken: "COPY_CREDENTIALS_REFUSED",
  ExpiredToken: "COPY_CREDENTIALS_REFUSED",
  /** versitygw's word for an unknown access key, with status 404. */
  XAdminUserNotFound: "COPY_CREDENTIALS_REFUSED",
  NoSuchBucket: "COPY_BUCKET_MISSING",
  QuotaExceeded: "COPY_FULL",
  InsufficientStorage: "COPY_FULL",
  XMinioStorageFull: "COPY_FULL",
};

/** Names the refusal of an S3 server. */
export function refusedByS3(request: S3Request, refusal: S3Refusal): Error {
  const { status, code, message } = refusal;
  const text = `the bucket of ${request.copy}: ${request.method} ${request.key || "/"}: ${status} ${code} ${message}`.trimEnd();
  return checkpointError(codeOf(request, refusal), text, {
    context: { copy: request.copy, key: request.key, status, s3Code: code },
  });
}

function codeOf({ method }: S3Request, { status, code }: S3Refusal): CheckpointErrorCode {
  const named = codesByName[code];
  if (named) return named;
  if (status === 507) return "COPY_FULL";
  if (status >= 500 || status === 429 || status === 408) return "COPY_UNREACHABLE";
  if (status === 403 || status === 405) return method === "GET" ? "COPY_FORBIDDEN" : "COPY_READ_ONLY";
  if (status === 401) return "COPY_CREDENTIALS_REFUSED";
  return "COPY_REPLY_INVALID";
}

const expired = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);
const untrusted = new Set([
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_UNTRUSTED",
  "CERT_REVOKED",
]);

/** Names why no answer came: fetch keeps the reason in a cause of its error. */
export function unansweredByS3(request: S3Request, error: unknown): Error {
  const [code, message] = reasonOf(error);
  const name: CheckpointErrorCode = expired.has(code)
    ? "COPY_CERTIFICATE_EXPIRED"
    : untrusted.has(code)
      ? "COPY_CERTIFICATE_INVALID"
      : "COPY_UNREACHABLE";
  const text = `the bucket of ${request.copy}: ${request.method} ${request.key || "/"}: ${message}`;
  return checkpointError(name, text, { context: { copy: request.copy, key: request.key, reason: code }, cause: error });
}

const deepestCause = 5;

function reasonOf(error: unknown): [code: string, message: string] {
  let message = messageOf(error);
  let at: unknown = error;
  for (let depth = 0; depth < deepestCause && at instanceof Error; depth++) {
    message = messageOf(at);
    if ("code" in at && typeof at.code === "string") return [at.code, message || at.code];
    at = at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at.cause;
  }
  return ["", message];
}
