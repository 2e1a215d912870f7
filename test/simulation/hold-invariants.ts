import process from "node:process";
import { expect, test } from "vitest";
import { Coverage, pairCount } from "./coverage.ts";
import { replayCommand, runHistories } from "./run-histories.ts";

/** Of each of the two files that run them side by side; `npm run simulate` takes as many as it is told. */
const histories = Number(process.env["BELLWETHER_HISTORIES"] ?? 2_000) / 2;
const patienceMs = 1_800_000;

/** Half of the suite's histories: no invariant is violated, and the pairs of step and fault are tried. */
export function holdInvariants(half: 0 | 1): void {
  const firstSeed = 1 + half * histories;
  test(
    `${histories} histories from seed ${firstSeed} violate no invariant`,
    async () => {
      const result = await runHistories({ firstSeed, histories, mostFailures: 3 });
      expect(result.failures.map(({ seed, message }) => `${message}; ${replayCommand(seed, undefined)}`)).toEqual([]);
      expect(result.fewestIntents).toBeGreaterThanOrEqual(20);
      const hit = pairCount - new Coverage(result.hits).missed.length;
      expect(hit).toBeGreaterThan(Math.min(pairCount, histories * 6) * 0.6);
    },
    patienceMs,
  );
}
