import { Coverage } from "./coverage.ts";
import { History } from "./history.ts";
import type { Mutant } from "./mutants.ts";
import { type Template, makeTemplate } from "./world/world.ts";

export interface Run {
  /** Seeds from here on, one for each history. */
  readonly firstSeed: number;
  readonly histories: number;
  readonly mutant?: Mutant | undefined;
  /** Ends the run after so many failing histories. */
  readonly mostFailures: number;
  readonly onHistory?: (done: number, failures: number) => void;
  /** Told at once: a long run may be broken off. */
  readonly onFailure?: (failure: Failure) => void;
}

export interface Failure {
  readonly seed: number;
  readonly message: string;
}

/** What happened in all histories together. */
type Totals = Readonly<Record<(typeof counted)[number], number>>;
const counted = [
  "intents",
  "orders",
  "fills",
  "events",
  "refusedAttacks",
  "trips",
  "flattens",
  "resets",
  "halts",
  "deletions",
  "adoptions",
  "legs",
  "legFills",
] as const;

/** Plain data: it travels between threads. */
export interface RunResult {
  readonly histories: number;
  readonly failures: readonly Failure[];
  readonly hits: readonly (readonly [string, number])[];
  readonly totals: Totals;
  readonly virtualMs: number;
  /** Of a history without a failure. */
  readonly fewestIntents: number;
}

export const nothingRun: RunResult = {
  histories: 0,
  failures: [],
  hits: [],
  totals: Object.fromEntries(counted.map((key) => [key, 0])) as Totals,
  virtualMs: 0,
  fewestIntents: Number.POSITIVE_INFINITY,
};

/** Runs histories one after another. A violated invariant, or anything else that must not happen, is a failure of its seed. */
export async function runHistories(run: Run, template?: Template): Promise<RunResult> {
  const { firstSeed, histories, mutant, mostFailures, onHistory, onFailure } = run;
  // Thousands of errors are made in a history and read by their code: their stacks would cost more than all else.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = histories === 1 ? stackTraceLimit : 0;
  try {
    const from = template ?? (await makeTemplate());
    let sum = nothingRun;
    while (sum.histories < histories && sum.failures.length < mostFailures) {
      const outcome = await outcomeOf(firstSeed + sum.histories, from, mutant);
      sum = sumOf(sum, outcome);
      for (const failure of outcome.failures) onFailure?.(failure);
      onHistory?.(sum.histories, sum.failures.length);
    }
    return sum;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function outcomeOf(seed: number, template: Template, mutant: Mutant | undefined): Promise<RunResult> {
  try {
    const { coverage, seen, virtualMs } = await new History(seed, template, mutant).run();
    return { histories: 1, failures: [], hits: coverage.entries, totals: seen, virtualMs, fewestIntents: seen.intents };
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { ...nothingRun, histories: 1, failures: [{ seed, message }] };
  }
}

export function sumOf(left: RunResult, right: RunResult): RunResult {
  const coverage = new Coverage([...left.hits, ...right.hits]);
  return {
    histories: left.histories + right.histories,
    failures: [...left.failures, ...right.failures],
    hits: coverage.entries,
    totals: Object.fromEntries(counted.map((key) => [key, left.totals[key] + right.totals[key]])) as Totals,
    virtualMs: left.virtualMs + right.virtualMs,
    fewestIntents: Math.min(left.fewestIntents, right.fewestIntents),
  };
}

/** The one command that runs a failing history again. */
export function replayCommand(seed: number, mutant: Mutant | undefined): string {
  return `npm run simulate -- --histories 1 --seed ${seed}${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
}
