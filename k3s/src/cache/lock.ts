import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterError } from "../errors.ts";
import { isAlive, processStartTime } from "../process-identity.ts";

interface Holder {
  readonly pid: number;
  readonly startTime: string;
}

function holderOf(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    return undefined; // gone, or half written by a process that is still at it
  }
}

function tryTake(file: string): boolean {
  const holder: Holder = { pid: process.pid, startTime: processStartTime(process.pid) ?? "" };
  try {
    writeFileSync(file, JSON.stringify(holder), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/**
 * Runs `work` while no other process holds the lock file. A lock whose process is gone (crash, power cut) is taken over.
 *
 * @throws ClusterError LOCK_HELD when another live process keeps it longer than `waitMs`
 */
export async function withLock<T>(
  file: string,
  options: { waitMs: number; onWait: (pid: number) => void },
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(path.dirname(file), { recursive: true });
  const deadline = performance.now() + options.waitMs;
  let told = false;
  while (!tryTake(file)) {
    const holder = holderOf(file);
    if (holder && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (holder && !told) options.onWait(holder.pid);
    told = true;
    if (performance.now() > deadline)
      throw new ClusterError("LOCK_HELD", `process ${holder?.pid} holds ${file}`, { context: { file, ...holder } });
    await sleep(250);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
