import { readFileSync, readdirSync } from "node:fs";

export interface PodProcess {
  readonly pid: number;
  readonly command: string;
  /** As in /proc/<pid>/status: "1" or "2-3". */
  readonly cpusAllowed: string;
  readonly rssKiB: number;
}

/** The processes of one pod on this machine, pause aside, found by the pod's UID in their cgroup. */
export function processesOfPod(podUid: string): PodProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const found = inspect(Number(name), podUid);
      return found ? [found] : [];
    });
}

/** kill -9 of every process of a pod, as when its node runs out of memory: no handler, no flush. */
export function killPod(podUid: string): void {
  for (const { pid } of processesOfPod(podUid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // It was quicker.
    }
  }
}

function inspect(pid: number, podUid: string): PodProcess | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(podUid)) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    if (/^(\/pause\b.*)?$/.test(command)) return undefined;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const cpusAllowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "";
    return { pid, command, cpusAllowed, rssKiB: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) };
  } catch (error) {
    // The process ended while it was looked at.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
