import { Worker } from "node:worker_threads";
import { type Run, type RunResult, nothingRun, sumOf } from "./run-histories.ts";

/** Histories that a thread is given at a time: few enough that all end together. */
const chunk = 50;
/** Then another thread goes on: a process that was killed leaves its waits behind, and the runtime keeps each signal that somebody listens to. */
const chunksPerThread = 40;
/** Short-lived rows and requests are most of what a history makes: with room for them little is copied. */
const youngGenerationMb = 64;

/** Runs histories in `jobs` threads. The result is that of one thread; which failures are met first may differ. */
export async function runSideBySide(run: Run, jobs: number): Promise<RunResult> {
  let [given, sum] = [0, nothingRun];
  const next = (): Run | undefined => {
    if (given >= run.histories || sum.failures.length >= run.mostFailures) return undefined;
    const { mutant, mostFailures } = run;
    const part = {
      firstSeed: run.firstSeed + given,
      histories: Math.min(chunk, run.histories - given),
      mutant,
      mostFailures: mostFailures - sum.failures.length,
    };
    given += part.histories;
    return part;
  };
  const take = (result: RunResult): void => {
    sum = sumOf(sum, result);
    for (const failure of result.failures) run.onFailure?.(failure);
    run.onHistory?.(sum.histories, sum.failures.length);
  };
  const threads = Math.min(jobs, Math.ceil(run.histories / chunk));
  await Promise.all(Array.from({ length: threads }, () => inThreads(next, take)));
  return { ...sum, failures: sum.failures.toSorted((left, right) => left.seed - right.seed) };
}

/** One thread after the other, until there is nothing left to give. */
async function inThreads(next: () => Run | undefined, take: (result: RunResult) => void): Promise<void> {
  for (let first = next(); first; first = next()) await inThread(partsOfThread(first, next), take);
}

function* partsOfThread(first: Run, next: () => Run | undefined): Generator<Run> {
  let part: Run | undefined = first;
  for (let given = 0; part; part = given < chunksPerThread ? next() : undefined) {
    given += 1;
    yield part;
  }
}

function inThread(parts: Iterator<Run>, take: (result: RunResult) => void): Promise<void> {
  const worker = new Worker(new URL("./histories-thread.ts", import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
  });
  const give = (): void => {
    const { done, value } = parts.next();
    if (done) void worker.terminate();
    else worker.postMessage(value);
  };
  return new Promise((resolve, reject) => {
    worker.on("message", (result: RunResult) => {
      take(result);
      give();
    });
    worker.on("error", reject);
    worker.on("exit", () => resolve());
    give();
  });
}
