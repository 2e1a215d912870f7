/** What can go wrong while bringing a cluster up or down; docs/cluster.md explains each one. */
export type ClusterErrorCode =
  | "BINARY_BUILD_FAILED"
  | "CHART_FAILED"
  | "COMMAND_FAILED"
  | "DRIVER_UNAVAILABLE"
  | "FOREIGN_CLUSTER"
  | "IMAGE_BUILD_FAILED"
  | "LOCK_HELD"
  | "NOT_READY"
  | "PREFLIGHT_FAILED"
  | "PROCESS_DIED"
  | "STATE_UNREADABLE"
  | "USAGE";

/**
 * An error of the bring-up. `message` is a sentence for the person at the terminal; `advice` says what to do about it;
 * `context` carries the facts (command line, log file, exit code).
 */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly code: ClusterErrorCode;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ClusterErrorCode, message: string, more: { context?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.context = more.context ?? {};
  }
}
