import { Coverage } from "./coverage.ts";
import { History } from "./history.ts";
import type { Mutant } from "./mutants.ts";
import { makeTemplate } from "./world/world.ts";

export interface Run {
  /** Seeds from here on, one for each history. */
  readonly firstSeed: number;
  readonly histories: number;
  readonly mutant?: Mutant | undefined;
  /** Ends the run after so many failing histories. */
  readonly mostFailures: number;
  readonly onHistory?: (done: number, failures: number) => void;
}

export interface Failure {
  readonly seed: number;
  readonly message: string;
}

export interface RunResult {
  readonly histories: number;
  readonly failures: readonly Failure[];
  readonly coverage: Coverage;
  readonly totals: {
    readonly intents: number;
    readonly orders: number;
    readonly fills: number;
    readonly events: number;
    readonly refusedAttacks: number;
  };
  readonly virtualMs: number;
  /** Of a history without a failure. */
  readonly fewestIntents: number;
}

/** Runs histories one after another. A violated invariant, or anything else that must not happen, is a failure of its seed. */
export async function runHistories({ firstSeed, histories, mutant, mostFailures, onHistory }: Run): Promise<RunResult> {
  const template = await makeTemplate();
  const coverage = new Coverage();
  const failures: Failure[] = [];
  const totals = { intents: 0, orders: 0, fills: 0, events: 0, refusedAttacks: 0 };
  let virtualMs = 0;
  let fewestIntents = Number.POSITIVE_INFINITY;
  let done = 0;
  while (done < histories && failures.length < mostFailures) {
    const seed = firstSeed + done;
    try {
      const result = await new History(seed, template, mutant).run();
      coverage.add(result.coverage);
      for (const key of ["intents", "orders", "fills", "events", "refusedAttacks"] as const) totals[key] += result.seen[key];
      virtualMs += result.virtualMs;
      fewestIntents = Math.min(fewestIntents, result.seen.intents);
    } catch (error) {
      failures.push({ seed, message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
    }
    done += 1;
    onHistory?.(done, failures.length);
  }
  return { histories: done, failures, coverage, totals, virtualMs, fewestIntents };
}

/** The one command that runs a failing history again. */
export function replayCommand(seed: number, mutant: Mutant | undefined): string {
  return `npm run simulate -- --histories 1 --seed ${seed}${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
}
