/** Ollama's runner: the process that computes. It says on its command line with how many threads. Pure, but for `readProcesses`. */
import { readFileSync, readdirSync } from "node:fs";

export interface ProcessView {
  /** Arguments, the program's own path first. */
  readonly arguments: readonly string[];
  /** Text of /proc/<pid>/status. */
  readonly status: string;
}

export interface Runner {
  readonly threads: number;
  /** CPUs it may run on, in the kernel's notation. */
  readonly cpus: string;
}

/** The runner among the pod's processes; undefined while no model is loaded. */
export function runnerIn(processes: readonly ProcessView[]): Runner | undefined {
  for (const { arguments: given, status } of processes) {
    if (given[1] !== "runner") continue;
    const threads = Number(given[given.indexOf("--threads") + 1]);
    const cpus = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
    if (given.includes("--threads") && Number.isInteger(threads) && cpus !== undefined) return { threads, cpus };
  }
  return undefined;
}

/** All processes of the container. Those that end while they are looked at are left out. */
export function readProcesses(root = "/proc"): ProcessView[] {
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const given = readFileSync(`${root}/${pid}/cmdline`, "utf8").split("\0");
        return [{ arguments: given, status: readFileSync(`${root}/${pid}/status`, "utf8") }];
      } catch {
        return []; // Ended meanwhile, or not ours to read: no runner of this container either way.
      }
    });
}
