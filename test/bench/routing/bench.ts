/**
 * Routing on the outcomes of two models on GSM8K: how many calls the large model gets until four fifths of the gap in quality are closed.
 * Weights and thresholds come from the even rows, the figures from the odd ones; then the other way round, with weights fitted anew, so that a
 * lucky half shows.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { doubtOf, findingsOf } from "../../../runtimes/gateway/src/routing/answer-checks.ts";
import { complexityFeatures, complexityOf } from "../../../runtimes/gateway/src/routing/complexity.ts";
import type { BenchResult, BenchRow } from "../result.ts";
import { applyFit, fitLogistic } from "./logistic.ts";
import { type Outcome, meanGapClosed, readOutcomes, route, thresholdFor } from "./outcomes.ts";

const file = path.resolve(import.meta.dirname, "../../../../shared/data/routing/gsm8k-outcomes.csv");
const WANTED = 0.8;

type Score = (outcome: Outcome) => number;

const byLength: Score = ({ question }) => question.length;
const complexity: Score = ({ question }) => complexityOf(question);
const doubt: Score = ({ question, smallAnswer }) => doubtOf(question, smallAnswer);

function refitted(outcomes: readonly Outcome[], features: (outcome: Outcome) => Readonly<Record<string, number>>): Score {
  const fit = fitLogistic(
    outcomes.map(features),
    outcomes.map(({ smallRight }) => !smallRight),
  );
  return (outcome) => applyFit(fit, features(outcome));
}

interface Halves {
  readonly chosenOn: readonly Outcome[];
  readonly reportedOn: readonly Outcome[];
}

function rowsOf(name: string, score: Score, { halves, goal }: { halves: Halves; goal?: string }): BenchRow[] {
  const { chosenOn, reportedOn } = halves;
  const held = route(reportedOn, score, thresholdFor(chosenOn, score, WANTED));
  const exact = route(reportedOn, score, thresholdFor(reportedOn, score, WANTED));
  return [
    { metric: `${name}: large calls`, value: 100 * held.largeShare, unit: "%", ...(goal === undefined ? {} : { goal }) },
    { metric: `${name}: gap closed with them`, value: 100 * held.gapClosed, unit: "%" },
    { metric: `${name}: large calls for exactly 80 %`, value: 100 * exact.largeShare, unit: "%" },
    { metric: `${name}: mean gap closed (APGR)`, value: meanGapClosed(reportedOn, score), unit: "" },
  ];
}

export async function bench(): Promise<BenchResult> {
  const name = "routing";
  if (!existsSync(file)) return { name, rows: [], skipped: "the outcomes of the models are not here" };
  const outcomes = readOutcomes(file);
  const even = outcomes.filter((_, index) => index % 2 === 0);
  const odd = outcomes.filter((_, index) => index % 2 === 1);
  const halves: Halves = { chosenOn: even, reportedOn: odd };
  const swapped: Halves = { chosenOn: odd, reportedOn: even };
  const features = ({ question, smallAnswer }: Outcome): Readonly<Record<string, number>> => ({
    ...findingsOf({ question, answer: smallAnswer }),
    ...complexityFeatures(question),
  });
  const asShipped = route(odd, doubt, 0.5);
  return {
    name,
    rows: [
      ...rowsOf("length", byLength, { halves }),
      ...rowsOf("complexity", complexity, {
        halves,
        goal: `≤ ${(100 * route(odd, byLength, thresholdFor(even, byLength, WANTED)).largeShare).toFixed(1)}`,
      }),
      ...rowsOf("cascade", doubt, { halves, goal: "≤ 55" }),
      { metric: "cascade at its default of 0.5: large calls", value: 100 * asShipped.largeShare, unit: "%" },
      { metric: "cascade at its default of 0.5: gap closed", value: 100 * asShipped.gapClosed, unit: "%" },
      ...rowsOf("length, halves swapped", byLength, { halves: swapped }),
      ...rowsOf(
        "complexity, halves swapped",
        refitted(odd, (row) => ({ ...complexityFeatures(row.question) })),
        { halves: swapped },
      ),
      ...rowsOf("cascade, halves swapped", refitted(odd, features), { halves: swapped }),
    ],
  };
}
