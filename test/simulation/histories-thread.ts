import { parentPort } from "node:worker_threads";
import { type Run, runHistories } from "./run-histories.ts";
import { makeTemplate } from "./world/world.ts";

/** One thread of a run: takes a range of seeds at a time and tells what became of them. */
const template = await makeTemplate();
parentPort?.on("message", (run: Run) => {
  runHistories(run, template).then(
    (result) => parentPort?.postMessage(result),
    (error: unknown) => {
      throw error;
    },
  );
});
