import { seededRandom } from "@bellwether/service-kit/random";
import { describe, expect, test } from "vitest";
import { BudgetWorld, brokenPromises, deskInMemory, misfortunesOf } from "../testing/budget-world.ts";

/** Ten thousand are run by `npm run bench -- budget-interleavings`. */
const HISTORIES = 400;
/** Four seconds when nothing else runs. */
const PATIENCE_MS = 300_000;

describe("three replicas that spend one month's budget", () => {
  test(
    `never overspend and leak nothing in ${HISTORIES} histories, and spend 98 % before they refuse`,
    async () => {
      const faults: object[] = [];
      for (let seed = 1; seed <= HISTORIES; seed++) {
        const misfortunes = misfortunesOf(seed);
        const result = await new BudgetWorld({ random: seededRandom(seed), desk: deskInMemory(), misfortunes }).run();
        const broken = brokenPromises(result, misfortunes);
        if (broken.length > 0) faults.push({ seed, broken });
      }
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );
});
