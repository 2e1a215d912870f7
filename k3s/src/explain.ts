import { ClusterError, clusterErrors } from "./errors.ts";

/** Their message says all there is to say. */
const selfExplaining: ReadonlySet<string> = new Set(["PREFLIGHT_FAILED", "USAGE"]);

/** An error as a person should see it: sentences for what was foreseen, the stack for what was not. */
export function explain(error: unknown): string {
  if (!(error instanceof ClusterError))
    return `[ERROR] unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  const { code, message } = error;
  return selfExplaining.has(code) ? `[ERROR] ${message}` : `[ERROR] ${message}\n        (${code}: ${clusterErrors[code]})`;
}

/** 2 wrong usage, 3 the machine lacks something, 1 everything else. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ClusterError)) return 1;
  if (error.code === "USAGE") return 2;
  return error.code === "PREFLIGHT_FAILED" ? 3 : 1;
}
