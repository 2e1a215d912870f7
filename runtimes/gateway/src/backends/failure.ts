import { CodedError } from "@bellwether/service-kit";
import type { GatewayErrorCode } from "../errors.ts";

export type FailureCode = Extract<
  GatewayErrorCode,
  | "MODEL_KEY_REFUSED"
  | "MODEL_KEY_MISSING"
  | "MODEL_RATE_LIMITED"
  | "MODEL_REFUSED"
  | "MODEL_UNAVAILABLE"
  | "MODEL_TIMEOUT"
  | "MODEL_BROKE_OFF"
  | "MODEL_REPLY_INVALID"
  | "NOT_SUPPORTED"
  | "CALLER_GONE"
>;

export interface FailureDetails {
  readonly status?: number;
  /**
   * The provider may have worked for it: the request had been sent, and nothing says that it was refused. What it cost is unknown, and is taken to
   * be all that was reserved.
   */
  readonly mayBeBilled: boolean;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** What a back end says when there is no answer, or no more of it. */
export class BackendFailure extends CodedError<FailureCode> {
  readonly mayBeBilled: boolean;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode, message: string, details: FailureDetails) {
    const { status, retryAfterMs, mayBeBilled, cause } = details;
    super(code, message, { context: { ...(status !== undefined && { status }) }, cause });
    this.mayBeBilled = mayBeBilled;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * How the breaker counts it: `trip` opens it at once (a wrong key stays wrong, and asking again may lock it), `ignore` is nobody's fault or the caller's.
 */
export function breakerWeight({ code }: Pick<BackendFailure, "code">): "trip" | "failure" | "ignore" {
  if (code === "MODEL_KEY_REFUSED" || code === "MODEL_KEY_MISSING") return "trip";
  return code === "MODEL_REFUSED" || code === "NOT_SUPPORTED" || code === "CALLER_GONE" ? "ignore" : "failure";
}

/** Whether another model may be asked: not when the request itself is at fault, nor when nobody waits for the answer. */
export function mayTryAnother({ code }: Pick<BackendFailure, "code">): boolean {
  return code !== "MODEL_REFUSED" && code !== "CALLER_GONE" && code !== "MODEL_BROKE_OFF";
}

/** By the status of an HTTP answer. The provider's own words come along only where they cannot quote a key. */
export function failureOfStatus(status: number, said: string, retryAfterMs?: number): BackendFailure {
  const details = { status, mayBeBilled: false, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (status === 401 || status === 403)
    return new BackendFailure("MODEL_KEY_REFUSED", `the provider refuses the key (${status})`, details);
  if (status === 429) return new BackendFailure("MODEL_RATE_LIMITED", "the provider asks to wait (429)", details);
  if (status === 400 || status === 413 || status === 422)
    return new BackendFailure("MODEL_REFUSED", `the provider refuses the request (${status}): ${shortened(said)}`, details);
  return new BackendFailure("MODEL_UNAVAILABLE", `the provider answers ${status}`, details);
}

/** Errors of a connection that was never made: the provider knows nothing of the request. */
const neverSent = new Set(
  "ECONNREFUSED ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH UND_ERR_CONNECT_TIMEOUT CONNECT_TIMEOUT".split(" "),
);
const deepestCause = 6;

/** When no answer came at all. `begun`: a first byte had come. */
export function failureOfConnection(error: unknown, { signal, begun }: { signal: AbortSignal; begun: boolean }): BackendFailure {
  if (error instanceof BackendFailure) return error;
  if (signal.aborted) {
    if (signal.reason instanceof BackendFailure) return signal.reason;
    return new BackendFailure("CALLER_GONE", "the caller hung up", { mayBeBilled: true, cause: error });
  }
  if (begun) return new BackendFailure("MODEL_BROKE_OFF", "the answer broke off", { mayBeBilled: true, cause: error });
  const code = errnoOf(error);
  return new BackendFailure("MODEL_UNAVAILABLE", `the model cannot be reached${code === undefined ? "" : ` (${code})`}`, {
    mayBeBilled: code === undefined || !neverSent.has(code),
    cause: error,
  });
}

function errnoOf(error: unknown): string | undefined {
  let current = error;
  for (let depth = 0; depth < deepestCause && current instanceof Error; depth++) {
    const { code } = current as { code?: unknown };
    if (typeof code === "string") return code;
    current = current.cause;
  }
  return undefined;
}

const longestQuote = 300;

function shortened(text: string): string {
  return text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text;
}

/** `retry-after` in seconds or as a date → milliseconds; undefined when there is none that can be read. */
export function retryAfterMs(header: string | null | undefined, nowMs: number): number | undefined {
  if (header === null || header === undefined || header === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
