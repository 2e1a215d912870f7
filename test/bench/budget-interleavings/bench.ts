/**
 * The gateway's budget over ten thousand histories of three replicas that crash, lose their callers, their cache and the way to the ledger,
 * until the first request is refused: what was overspent, what leaked, and how much of the month was spent by then.
 */
import { seededRandom } from "@bellwether/service-kit/random";
import { BudgetWorld, brokenPromises, deskInMemory, misfortunesOf } from "../../../runtimes/gateway/src/testing/budget-world.ts";
import type { BenchResult } from "../result.ts";

const HISTORIES = 10_000;
/** Others than those of the unit test. */
const FIRST_SEED = 1_000_000;

export async function bench(): Promise<BenchResult> {
  const counted: number[] = [];
  const billed: number[] = [];
  let [overspent, leaked, broken, crashes, calls, cacheLosses] = [0, 0, 0, 0, 0, 0];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
    const misfortunes = misfortunesOf(seed);
    const result = await new BudgetWorld({ random: seededRandom(seed), desk: deskInMemory(), misfortunes }).run();
    overspent += result.overspent ? 1 : 0;
    leaked += result.leakedLeases + result.leakedReservations;
    broken += brokenPromises(result, misfortunes).length;
    crashes += result.crashes;
    calls += result.calls;
    cacheLosses += result.cacheLosses;
    counted.push(100 * (result.firstRefusal?.countedRatio ?? 0));
    billed.push(100 * (result.firstRefusal?.billedRatio ?? 0));
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    name: "budget interleavings",
    rows: [
      { metric: "histories", value: HISTORIES, unit: "", goal: "≥ 10000" },
      { metric: "calls, all histories", value: calls, unit: "" },
      { metric: "crashes, all histories", value: crashes, unit: "" },
      { metric: "cache losses, all histories", value: cacheLosses, unit: "" },
      { metric: "histories that overspent", value: overspent, unit: "", goal: "≤ 0" },
      { metric: "leases and reservations leaked", value: leaked, unit: "", goal: "≤ 0" },
      { metric: "promises broken", value: broken, unit: "", goal: "≤ 0" },
      { metric: "spent at the first refusal, least", value: Math.min(...counted), unit: "%", goal: "≥ 98" },
      { metric: "spent at the first refusal, mean", value: mean(counted), unit: "%" },
      { metric: "billed by providers then, mean (crashes included)", value: mean(billed), unit: "%" },
      { metric: "billed by providers then, least (crashes included)", value: Math.min(...billed), unit: "%" },
    ],
  };
}
