import { CodedError } from "@bellwether/service-kit/coded-error";

/** What the process ends with. Scripts may rely on it. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Every error code of the plugin, its exit code and what it means; docs/guides/operations.md has the list, which a test holds. */
export const pluginErrors = {
  BAD_USAGE: { exit: exitCodes.usage, means: "The command line has a fault." },
  POLICY_AMBIGUOUS: { exit: exitCodes.usage, means: "The namespace has several RiskPolicies and none was named." },
  POLICY_NOT_FOUND: { exit: exitCodes.notFound, means: "There is no such RiskPolicy in the namespace." },
  STRATEGY_NOT_FOUND: { exit: exitCodes.notFound, means: "There is no such Strategy in the namespace." },
  ACCOUNT_NOT_FOUND: { exit: exitCodes.notFound, means: "The RiskPolicy has no such account." },
  BREAKER_NOT_FOUND: { exit: exitCodes.notFound, means: "The RiskPolicy has no such breaker in that scope." },
  INTENT_NOT_FOUND: { exit: exitCodes.notFound, means: "The journal knows no such intent or order." },
  KINDS_NOT_FOUND: {
    exit: exitCodes.notFound,
    means: "The cluster does not serve bellwether.dev/v1alpha1: nothing is installed there.",
  },
  CLUSTER_UNREACHABLE: { exit: exitCodes.failed, means: "The API server does not answer, or the kubeconfig leads nowhere." },
  CLUSTER_REFUSED: { exit: exitCodes.failed, means: "The API server refuses the request; its reason is in the message." },
  FORBIDDEN: { exit: exitCodes.failed, means: "The caller's role lacks a right that the command needs." },
  RISK_UNREACHABLE: { exit: exitCodes.failed, means: "The policy's risk pod could not be asked." },
  RISK_REFUSED: { exit: exitCodes.failed, means: "Risk refuses the request; its reason is in the message." },
  CHANGED_MEANWHILE: { exit: exitCodes.failed, means: "What was to be changed is not what it was when it was looked at." },
} as const;

export type PluginErrorCode = keyof typeof pluginErrors;

/** A fault that a person reads: what is wrong, with the name and the value, and what to do next. */
export class PluginError extends CodedError<PluginErrorCode> {
  /** A command or a step, without which the person would be left alone. */
  readonly next: string | undefined;

  constructor(code: PluginErrorCode, message: string, details: { next?: string; cause?: unknown } = {}) {
    super(code, message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "PluginError";
    this.next = details.next;
  }
}

/** The exit code of anything thrown; what nobody foresaw is a failure. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof PluginError ? pluginErrors[error.code].exit : exitCodes.failed;
}
