import { seededRandom } from "@bellwether/service-kit/random";
import type { BenchRow } from "../result.ts";
import { programNames } from "./arms.ts";
import type { Cause } from "./causes.ts";
import { exposureKept, pairsOf } from "./experiment.ts";
import type { PairedRun } from "./measure.ts";
import { pairedReduction } from "./paired-reduction.ts";

export interface Runs {
  readonly crash: readonly PairedRun[];
  readonly ordinary: readonly PairedRun[];
  readonly calm: readonly PairedRun[];
}

/** Of the resampling alone; the paths have their own. */
const BOOTSTRAP_SEED = 1;

/** What there is to say of an experiment. */
export function rowsOf({ crash, ordinary, calm }: Runs): readonly BenchRow[] {
  const pairs = pairsOf(crash);
  const reduction = pairedReduction(pairs, seededRandom(BOOTSTRAP_SEED));
  const onlyProtected = crash.filter((run) => run.protected.catastrophes > run.unprotected.catastrophes).length;
  return [
    { metric: "crash paths", value: pairs.length, unit: "paths", goal: "≥ 1000" },
    { metric: "runs in each arm", value: crash.length, unit: "runs" },
    { metric: "catastrophes, unprotected", value: reduction.unprotected, unit: "days", goal: "≥ 300" },
    { metric: "catastrophes, protected", value: reduction.protected, unit: "days" },
    { metric: "runs with more of them when protected", value: onlyProtected, unit: "runs" },
    { metric: "reduction", value: reduction.ratio, unit: "of 1", goal: "≥ 0.95" },
    { metric: "reduction, lower 95 % bound", value: reduction.lowerBound, unit: "of 1" },
    { metric: "exposure kept on calm paths", value: exposureKept(calm), unit: "of 1", goal: "≥ 0.7" },
    { metric: "exposure kept on ordinary paths", value: exposureKept(ordinary), unit: "of 1" },
    { metric: "exposure kept on crash paths", value: exposureKept(crash), unit: "of 1" },
    { metric: "worst day, median, unprotected", value: medianLoss(crash, "unprotected"), unit: "of 1" },
    { metric: "worst day, median, protected", value: medianLoss(crash, "protected"), unit: "of 1" },
    ...programNames.flatMap((program) => programRows(program, { crash, ordinary, calm })),
    ...(["slow", "jump", "tripped"] as const).map((cause) => causeRow(cause, crash)),
  ];
}

function programRows(program: string, { crash, calm }: Runs): readonly BenchRow[] {
  const own = crash.filter((run) => run.program === program);
  const count = (arm: "unprotected" | "protected"): number => own.reduce((sum, run) => sum + run[arm].catastrophes, 0);
  const [without, withIt] = [count("unprotected"), count("protected")];
  const kept = exposureKept(calm.filter((run) => run.program === program));
  return [
    { metric: `${program}: catastrophes, protected`, value: withIt, unit: "days", baseline: without },
    { metric: `${program}: exposure kept on calm paths`, value: kept, unit: "of 1" },
  ];
}

const causeNames: Readonly<Record<Cause, string>> = {
  slow: "left: no breaker tripped before",
  jump: "left: 5 % or more lost between two marks",
  tripped: "left: a breaker had tripped",
};

function causeRow(cause: Cause, crash: readonly PairedRun[]): BenchRow {
  const value = crash.reduce((sum, { causes }) => sum + causes.filter((found) => found === cause).length, 0);
  return { metric: causeNames[cause], value, unit: "days" };
}

function medianLoss(runs: readonly PairedRun[], arm: "unprotected" | "protected"): number {
  const sorted = runs.map((run) => run[arm].worstLossRatio).toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
