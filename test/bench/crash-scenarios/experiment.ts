import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { RiskPolicySpec } from "@bellwether/crds";
import type { PairedRun, PathSet } from "./measure.ts";
import type { PathPair } from "./paired-reduction.ts";

/** What one thread is told. */
export interface ThreadTask {
  readonly set: PathSet;
  /** `circuitBreakers` of the protected policy; undefined: it names none and has the defaults. */
  readonly breakers: RiskPolicySpec["circuitBreakers"];
  readonly thread: number;
  readonly threads: number;
}

const MAX_THREADS = 8;

/** Runs every program over every path of a set, without and with protection, on all cores. The same result on any number of them. */
export async function experiment(set: PathSet, breakers?: RiskPolicySpec["circuitBreakers"]): Promise<readonly PairedRun[]> {
  const threads = Math.max(1, Math.min(availableParallelism(), set.paths, MAX_THREADS));
  const parts = await Promise.all(Array.from({ length: threads }, (_, thread) => runThread({ set, breakers, thread, threads })));
  return parts.flat().toSorted((left, right) => left.seed - right.seed);
}

function runThread(task: ThreadTask): Promise<readonly PairedRun[]> {
  return new Promise((resolve, reject) => {
    const runs: PairedRun[] = [];
    const worker = new Worker(new URL("measure-worker.ts", import.meta.url), { workerData: task });
    worker.on("message", (done: readonly PairedRun[]) => runs.push(...done));
    worker.on("error", reject);
    worker.on("exit", (code) =>
      code === 0 ? resolve(runs) : reject(new Error(`a thread of the experiment ended with ${code}`)),
    );
  });
}

/** Catastrophes by path, all programs of a path together. */
export function pairsOf(runs: readonly PairedRun[]): readonly PathPair[] {
  const byPath = new Map<number, { unprotected: number; protected: number }>();
  for (const run of runs) {
    const pair = byPath.get(run.seed) ?? { unprotected: 0, protected: 0 };
    pair.unprotected += run.unprotected.catastrophes;
    pair.protected += run.protected.catastrophes;
    byPath.set(run.seed, pair);
  }
  return [...byPath.values()];
}

/** Exposure with protection as a part of that without: mean over all runs, each averaged over its minutes. */
export function exposureKept(runs: readonly PairedRun[]): number {
  const total = (arm: "unprotected" | "protected"): number => runs.reduce((sum, run) => sum + run[arm].exposureRatio, 0);
  return total("protected") / total("unprotected");
}
