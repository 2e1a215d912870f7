import { Database, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { seededRandom } from "@bellwether/service-kit/random";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";
import { RedisStore } from "../../../runtimes/gateway/src/store/redis-store.ts";
import { BudgetWorld, brokenPromises, misfortunesOf } from "../../../runtimes/gateway/src/testing/budget-world.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { deskInPostgres, shelfInRedis } from "./real-desk.ts";
import { type TestRedis, redisMissing, startRedis } from "../redis.ts";

const missing = postgresMissing() ?? redisMissing();
/** With every misfortune. Five hundred are run by `npm run bench -- budget-interleavings`. */
const seeds = [10];

/** `skipIf` shows its title alone where it skips: the reason belongs into it. */
describe.skipIf(missing !== undefined)(`the budget on Postgres and Redis${missing === undefined ? "" : ` (${missing})`}`, () => {
  let postgres: TestPostgres;
  let redis: TestRedis;
  let database: Database;
  let store: RedisStore;

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    database = new Database({ dsn: postgres.gatewayDsn, clock: systemClock, log: silentLogger, applicationName: "test" });
    store = new RedisStore(redis.url, { clock: systemClock, log: silentLogger });
    await migrate(database, gatewaySchema);
  });

  afterAll(async () => {
    store?.close();
    await database?.close();
    postgres?.remove();
    await redis?.remove();
  });

  test.each(seeds)("holds over the history of seed %i", { timeout: 300_000 }, async (seed) => {
    const misfortunes = misfortunesOf(seed);
    const [desk, shelf] = [deskInPostgres(database, `route-${seed}`), shelfInRedis(store, `history-${seed}`)];
    const result = await new BudgetWorld({ random: seededRandom(seed), desk, shelf, misfortunes }).run();
    expect(brokenPromises(result, misfortunes)).toEqual([]);
    expect(result.calls).toBeGreaterThan(50);
  });
});
