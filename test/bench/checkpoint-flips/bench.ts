/**
 * A hundred thousand single flipped bits and cuts, uniform over every stored object of a snapshot, each through a restore of all of it: how many are refused,
 * how many bytes that were never captured are handed out, and how often two other copies heal it (BELLWETHER_BENCH_FLIPS=N for another number).
 */
import { seededRandom } from "@bellwether/service-kit/random";
import { tryFlips } from "../../../runtimes/checkpoint/src/testing/flips.ts";
import type { BenchResult, BenchRow } from "../result.ts";

const FLIPS = Number(process.env["BELLWETHER_BENCH_FLIPS"] ?? 100_000);

export async function bench(): Promise<BenchResult> {
  const half = Math.ceil(FLIPS / 2);
  const rows: BenchRow[] = [];
  for (const [name, key] of [
    ["encrypted", Buffer.alloc(32, 7)],
    ["not encrypted", null],
  ] as const) {
    const { tried, detected, handedOut, healed, objects } = await tryFlips({ count: half, random: seededRandom(2026), key });
    rows.push(
      { metric: `${name}: damages, over ${objects} objects`, value: tried, unit: "", goal: `≥ ${half}` },
      { metric: `${name}: detected`, value: (100 * detected) / tried, unit: "%", goal: "≥ 100" },
      { metric: `${name}: damaged pieces handed out`, value: handedOut, unit: "", goal: "≤ 0" },
      { metric: `${name}: healed, of every tenth`, value: (1_000 * healed) / tried, unit: "%", goal: "≥ 100" },
    );
  }
  return { name: "checkpoint flips", rows };
}
