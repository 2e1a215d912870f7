import { seededRandom } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isLongForm } from "../../suites/long-form.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "./postgres.ts";
import type { Mutant } from "../../simulation/mutants.ts";
import { RiskWorld, mutants } from "./risk-fixture.ts";
import { History } from "./risk-history.ts";

const missing = postgresMissing();
const histories = Number(process.env["BELLWETHER_RISK_HISTORIES"] ?? (isLongForm ? 20 : 4));
/** The simulation catches each of them as well: on a real Postgres some are enough. */
const tried = isLongForm ? mutants : mutants.slice(0, 2);
/** Histories that a mutant may survive before it counts as not caught. */
const mutantHistories = 25;

describe.skipIf(missing !== undefined)(`risk and broker that may die between any two steps ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  async function live(seed: number, mutant?: Mutant): Promise<void> {
    const history = new History(new RiskWorld(postgres, mutant), seededRandom(seed));
    try {
      await history.run();
      await history.settle();
      await history.verify();
    } finally {
      await history.remove();
    }
  }

  test.each(Array.from({ length: histories }, (_, index) => ({ seed: index + 1 })))(
    "history $seed: one order per intent, no bar decided twice, every unit accounted for",
    ({ seed }) => live(seed),
    120_000,
  );

  test.each(tried.map((mutant) => ({ mutant })))(
    "the mutant $mutant does not survive",
    async ({ mutant }) => {
      for (let seed = 1; seed <= mutantHistories; seed += 1) {
        const caught = await live(seed, mutant).then(
          () => false,
          (error: unknown) => isFinding(error) || Promise.reject(error),
        );
        if (caught) return;
      }
      expect.unreachable(`${mutant} survived ${mutantHistories} histories`);
    },
    300_000,
  );
});

/** An assertion of the history, or a key of the journal that would not have it: not a crash of the mutant itself. */
function isFinding(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const violatesKey = "code" in error && typeof error.code === "string" && error.code.startsWith("23");
  return error.name === "AssertionError" || violatesKey;
}
