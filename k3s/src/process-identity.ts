import { readFileSync } from "node:fs";

/** A process named so that a reused pid is never mistaken for it: pid and start time in clock ticks since boot (proc(5), field 22). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** Field 22 of a /proc/<pid>/stat line. The command name in field 2 may hold blanks and brackets, so fields are counted behind the last bracket. */
export function startTimeOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** State letter (field 3) of a /proc/<pid>/stat line; Z is a dead process that nobody has waited for. */
export function stateOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[0];
}

function readStat(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
}

/** Start time of a running process, or undefined when there is none (or no /proc, as on macOS). */
export function processStartTime(pid: number): string | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : startTimeOf(stat);
}

/** Whether exactly this process still runs: same pid, same start time, not a zombie. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid);
  if (stat !== undefined) return startTimeOf(stat) === identity.startTime && stateOf(stat) !== "Z";
  if (process.platform === "linux") return false;
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch {
    return false;
  }
}
