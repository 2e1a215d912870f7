import { readFileSync } from "node:fs";

/** One question with what a small and a large model made of it. */
export interface Outcome {
  readonly question: string;
  readonly smallAnswer: string;
  readonly smallRight: boolean;
  readonly largeRight: boolean;
}

/** Cells of a CSV with quotes, quotes doubled inside. */
function cells(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw new Error(`not a CSV from character ${pattern.lastIndex} on`);
    row.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** Outcomes from a CSV: prompt, small right, large right, small answer, large answer. */
export function readOutcomes(file: string): Outcome[] {
  const [, ...rows] = cells(readFileSync(file, "utf8"));
  return rows.map(([question = "", small, large, smallAnswer = ""], index) => {
    if (![small, large].every((cell) => cell === "True" || cell === "False")) throw new Error(`row ${index + 2} has no outcome`);
    return { question, smallAnswer, smallRight: small === "True", largeRight: large === "True" };
  });
}

/** Share of calls that went to the large model, and which part of the gap in quality between the models that closed. */
export interface Routed {
  readonly largeShare: number;
  readonly gapClosed: number;
}

/** What comes of sending to the large model every question whose score is `threshold` or more. */
export function route(outcomes: readonly Outcome[], score: (outcome: Outcome) => number, threshold: number): Routed {
  const right = (answers: readonly boolean[]): number => answers.filter(Boolean).length;
  const large = outcomes.map((outcome) => score(outcome) >= threshold);
  const [small, strong] = [right(outcomes.map((row) => row.smallRight)), right(outcomes.map((row) => row.largeRight))];
  const routed = right(outcomes.map((row, index) => (large[index] === true ? row.largeRight : row.smallRight)));
  return { largeShare: right(large) / outcomes.length, gapClosed: (routed - small) / (strong - small) };
}

/** The highest threshold that closes `wanted` of the gap on these outcomes. */
export function thresholdFor(outcomes: readonly Outcome[], score: (outcome: Outcome) => number, wanted: number): number {
  const scores = [...new Set(outcomes.map(score))].toSorted((left, right) => right - left);
  return scores.find((threshold) => route(outcomes, score, threshold).gapClosed >= wanted) ?? Number.NEGATIVE_INFINITY;
}

/** Mean of the gap closed over all shares of large calls, 0.5 for chance: the area under the curve (APGR). */
export function meanGapClosed(outcomes: readonly Outcome[], score: (outcome: Outcome) => number): number {
  const order = outcomes.toSorted((left, right) => score(right) - score(left));
  const gap = order.reduce((sum, row) => sum + Number(row.largeRight) - Number(row.smallRight), 0);
  let [gained, area] = [0, 0];
  for (const row of order) {
    gained += Number(row.largeRight) - Number(row.smallRight);
    area += gained / gap;
  }
  return area / order.length;
}
