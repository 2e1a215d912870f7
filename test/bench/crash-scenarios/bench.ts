/**
 * What the default limits and breakers of a RiskPolicy are worth: the same programs over the same crashes, without and with them. Method and figures: docs/evidence.md.
 * The paths come from fixed seeds, so that the figures are the same on every machine and in every run.
 */
import { existsSync } from "node:fs";
import type { BenchResult } from "../result.ts";
import { experiment } from "./experiment.ts";
import { januaryCsv } from "./measure.ts";
import { rowsOf } from "./rows.ts";
import { EVALUATION } from "./seeds.ts";

export async function bench(): Promise<BenchResult> {
  const name = "crash-scenarios";
  if (!existsSync(januaryCsv)) return { name, rows: [], skipped: "needs ../shared/data/btc-perp-1m.csv" };
  const crash = await experiment(EVALUATION.crash);
  const ordinary = await experiment(EVALUATION.ordinary);
  const calm = await experiment(EVALUATION.calm);
  return { name, rows: rowsOf({ crash, ordinary, calm }) };
}
