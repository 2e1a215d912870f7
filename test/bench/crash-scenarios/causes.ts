import { runBacktest } from "@bellwether/trading";
import { type Arm, backtestOf, STARTING_EQUITY } from "./arms.ts";
import { curveOf, dayLosses } from "./outcome.ts";
import type { PricePath } from "./paths.ts";

/**
 * Why a day was a catastrophe although it was protected.
 *
 * - jump: between two marks a twentieth of the equity or more was gone: no stop can sell in between
 * - slow: no breaker had tripped on that day before it
 * - tripped: a breaker had; what was lost before, while selling, and after buying again adds up
 */
export type Cause = "jump" | "slow" | "tripped";

const JUMP_RATIO = 0.05;

/** The causes of one protected run's catastrophes. Runs it again, with its log. */
export async function causesOf(program: string, path: PricePath, arm: Arm): Promise<readonly Cause[]> {
  const { fills, log = "" } = await runBacktest({ ...backtestOf(program, path, arm), keepLog: true });
  const { equity } = curveOf(path.bars, fills, STARTING_EQUITY);
  const trips = tripTimes(log);
  const causes: Cause[] = [];
  for (const { from, catastropheAt } of dayLosses(path.bars, equity, STARTING_EQUITY)) {
    if (catastropheAt === undefined) continue;
    const [openedAt, struckAt] = [path.bars.time[from] ?? 0, path.bars.time[catastropheAt] ?? 0];
    if (deepestStep(equity, from, catastropheAt) >= JUMP_RATIO) causes.push("jump");
    else causes.push(trips.some((trip) => trip > openedAt && trip <= struckAt) ? "tripped" : "slow");
  }
  return causes;
}

/** When breakers tripped, by the decision log (`breaker <time> <type> <phase> -> Tripped …`), in epoch milliseconds. */
export function tripTimes(log: string, type = "[A-Za-z]+"): readonly number[] {
  const line = new RegExp(String.raw`^breaker (\d+) ${type} \w+ -> Tripped`, "gm");
  return [...log.matchAll(line)].map((match) => Number(match[1]));
}

function deepestStep(equity: Float64Array, from: number, to: number): number {
  let deepest = 0;
  for (let index = Math.max(1, from); index <= to; index++) {
    deepest = Math.max(deepest, 1 - (equity[index] ?? 0) / (equity[index - 1] ?? 1));
  }
  return deepest;
}
