/** What can go wrong while bringing a cluster up or down, and what to do about it. */
export const clusterErrors = {
  BINARY_BUILD_FAILED:
    "A Go program could not be built: Go is missing or too old, the module proxy is out of reach, or the disk is full.",
  CHART_FAILED: "Helm could not install the chart; its own message follows.",
  COMMAND_FAILED: "A command that should not fail did; its command line and the end of its output follow.",
  DRIVER_UNAVAILABLE: "A program this kind of cluster needs is not installed and could not be installed.",
  FOREIGN_CLUSTER: "Another kind of cluster made by this tool is up: run `npm run down` first.",
  IMAGE_BUILD_FAILED: "buildah could not build an image; the end of its output follows.",
  LOCK_HELD: "Another `up`, `down` or build by this user has been running for very long; wait for it or end the named process.",
  NOT_READY:
    "Something did not become ready in time; the message names it, with the end of its log. Running `up` again goes on from there.",
  PREFLIGHT_FAILED: "This machine lacks something; all of it is listed, nothing was changed.",
  PROCESS_DIED: "A process of the source cluster ended by itself; the end of its log follows.",
  STATE_UNREADABLE: "A record of what is installed cannot be read; look at the named file before removing it.",
  USAGE: "An option is unknown or does not fit; see --help.",
} as const;
export type ClusterErrorCode = keyof typeof clusterErrors;

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
