import { readFileSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "@bellwether/service-kit/random";
import { parseBars, runBacktest } from "@bellwether/trading";
import { type Arm, backtestOf, programNames, STARTING_EQUITY, UNPROTECTED } from "./arms.ts";
import { type Cause, causesOf } from "./causes.ts";
import { curveOf, dayLosses, meanOf } from "./outcome.ts";
import { type BlockPool, blockPool, drawPath, type PathKind, type PricePath } from "./paths.ts";

/** A month of real minutes, January 2022; not part of the repository. */
export const januaryCsv = path.resolve(import.meta.dirname, "../../../../shared/data/btc-perp-1m.csv");

/** Paths are named by kind and seed: the same name is the same path, on every machine. */
export interface PathSet {
  readonly kind: PathKind;
  readonly firstSeed: number;
  readonly paths: number;
}

export interface ArmOutcome {
  /** Days on which more than a tenth of the equity was lost. */
  readonly catastrophes: number;
  /** Of the worst day. */
  readonly worstLossRatio: number;
  /** Mean over all minutes of what is in the market, as a part of the equity. */
  readonly exposureRatio: number;
}

/** One program on one path, under both arms. */
export interface PairedRun {
  readonly seed: number;
  readonly program: string;
  readonly unprotected: ArmOutcome;
  readonly protected: ArmOutcome;
  /** Of the catastrophes that protection has left. */
  readonly causes: readonly Cause[];
}

/** @throws TradingError when the CSV is not what it should be */
export function januaryPool(): BlockPool {
  return blockPool(parseBars(readFileSync(januaryCsv), { gaps: "Refuse" }));
}

/** Runs every program over the path of one seed, without and with protection. */
export async function measurePath(
  { kind, seed }: { readonly kind: PathKind; readonly seed: number },
  pool: BlockPool,
  arm: Arm,
): Promise<readonly PairedRun[]> {
  const drawn = drawPath(kind, pool, seededRandom(seed));
  const runs: PairedRun[] = [];
  for (const program of programNames) {
    const unprotected = await outcomeOf(program, drawn, UNPROTECTED);
    const withIt = await outcomeOf(program, drawn, arm);
    const causes = withIt.catastrophes > 0 ? await causesOf(program, drawn, arm) : [];
    runs.push({ seed, program, unprotected, protected: withIt, causes });
  }
  return runs;
}

async function outcomeOf(program: string, drawn: PricePath, arm: Arm): Promise<ArmOutcome> {
  const { fills } = await runBacktest(backtestOf(program, drawn, arm));
  const { equity, exposureRatio } = curveOf(drawn.bars, fills, STARTING_EQUITY);
  const days = dayLosses(drawn.bars, equity, STARTING_EQUITY);
  return {
    catastrophes: days.filter(({ catastropheAt }) => catastropheAt !== undefined).length,
    worstLossRatio: Math.max(...days.map(({ lossRatio }) => lossRatio)),
    exposureRatio: meanOf(exposureRatio),
  };
}
