// One of the threads of an experiment: every `threads`-th path of the set is its own. Posts the runs of each path as they are done.
import { parentPort, workerData } from "node:worker_threads";
import { protectedArm } from "./arms.ts";
import { januaryPool, measurePath } from "./measure.ts";
import type { ThreadTask } from "./experiment.ts";

const { set, breakers, thread, threads } = workerData as ThreadTask;
const pool = januaryPool();
const arm = protectedArm(breakers);
for (let index = thread; index < set.paths; index += threads) {
  parentPort?.postMessage(await measurePath({ kind: set.kind, seed: set.firstSeed + index }, pool, arm));
}
