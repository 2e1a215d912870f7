import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeTemplate } from "../../simulation/world/world.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { replayHistory } from "./replay.ts";

const missing = postgresMissing();
/** Histories whose every statement is run again, one of them at a chain; `npm run simulate -- --postgres --histories 500` runs more. */
const seeds = [501, 503, 504];
const patienceMs = 3_600_000;

/**
 * The simulation's journal is worth what it has in common with Postgres: every statement of generated histories, in the order in which they ran, gives the same rows
 * and the same violated keys there.
 */
describe.skipIf(missing !== undefined)(`the journal in memory beside Postgres ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  test.each(seeds.map((seed) => ({ seed })))(
    "history $seed: the same rows, statement by statement",
    async ({ seed }) => {
      expect(await replayHistory(postgres, seed, await makeTemplate())).toBeGreaterThan(50);
    },
    patienceMs,
  );
});
