import { Database, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { parseDecimal } from "@bellwether/trading/decimal";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LeaseOffice } from "../../../runtimes/gateway/src/answering/budget-keeper.ts";
import { costOf } from "../../../runtimes/gateway/src/budget/spend.ts";
import type { GatewayConfigInput } from "../../../runtimes/gateway/src/config.ts";
import { AnswerJournal } from "../../../runtimes/gateway/src/journal/answer-journal.ts";
import { BudgetJournal } from "../../../runtimes/gateway/src/journal/budget-journal.ts";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";
import { restoreAnswers } from "../../../runtimes/gateway/src/journal/restore-answers.ts";
import { RedisStore } from "../../../runtimes/gateway/src/store/redis-store.ts";
import { OllamaStandIn } from "../../venues/llm/ollama-stand-in.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { TestFiles, type TestGateway, chat, startGateway } from "./gateway-fixture.ts";
import { keeperOf } from "./memory-office.ts";
import { type TestRedis, redisMissing, startRedis } from "../redis.ts";

const missing = postgresMissing() ?? redisMissing();
const patience = { timeout: 60_000, interval: 100 };
const prices = { inputPerMillionTokens: "100", outputPerMillionTokens: "100" };
const price = { inputPerMillionTokens: parseDecimal("100"), outputPerMillionTokens: parseDecimal("100") };
const files = new TestFiles();
const hosted = new OpenAiStandIn();
const local = new OllamaStandIn();
const closers: (() => Promise<void>)[] = [];
let postgres: TestPostgres;
let redis: TestRedis;
let models: GatewayConfigInput["models"];

/** `skipIf` shows its title alone where it skips: the reason belongs into it. */
describe.skipIf(missing !== undefined)(`gateways on Postgres and Redis${missing === undefined ? "" : ` (${missing})`}`, () => {
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    const urls = { hosted: await hosted.start(), local: await local.start() };
    models = [
      { name: "hosted", price: prices, maxOutputTokens: 100, openai: { model: "gpt-mock", baseUrl: urls.hosted } },
      { name: "local", maxOutputTokens: 100, ollama: { model: "tiny", baseUrl: urls.local, parallel: 4 } },
    ];
  });

  afterAll(async () => {
    postgres?.remove();
    await redis?.remove();
    await Promise.all([hosted.stop(), local.stop()]);
    files.remove();
  });

  beforeEach(async () => {
    await postgres.reset();
    hosted.seen.length = 0;
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  let questions = 0;
  const ask = (gateway: TestGateway, more: object = {}): Promise<Response> =>
    gateway.post("/v1/chat/completions", chat(`Question ${++questions}?`, more));

  function database(): Database {
    const opened = new Database({ dsn: postgres.gatewayDsn, clock: systemClock, log: silentLogger, applicationName: "test" });
    closers.push(() => opened.close());
    return opened;
  }

  /** A replica of the route, with a purse of its own. */
  async function replica(budget: NonNullable<GatewayConfigInput["budget"]>): Promise<TestGateway> {
    const opened = database();
    const ledgers = new BudgetJournal(opened);
    const office: LeaseOffice = {
      update: async (period, update, limits) => {
        await migrate(opened, gatewaySchema);
        return ledgers.update({ routeUid: "route-1", period }, update, limits);
      },
    };
    const keeper = keeperOf(office, budget);
    keeper.start();
    closers.push(() => keeper.close());
    const gateway = await startGateway({ files, models, keeper, budget, limits: { concurrentPerStrategy: 100 } });
    closers.push(() => gateway.close());
    return gateway;
  }

  async function withRedis(): Promise<{ gateway: TestGateway; store: RedisStore; journal: AnswerJournal }> {
    const store = new RedisStore(redis.url, { clock: systemClock, log: silentLogger });
    closers.push(async () => store.close());
    const opened = database();
    await migrate(opened, gatewaySchema);
    const journal = new AnswerJournal(opened, { routeUid: "route-1", clock: systemClock, log: silentLogger });
    const route = { uid: "route-1", name: "main", namespace: "bellwether" };
    const gateway = await startGateway({ files, models, store, route, remember: (row) => journal.remember(row) });
    closers.push(() => gateway.close());
    await expect.poll(() => store.check().ok, patience).toBe(true);
    return { gateway, store, journal };
  }

  test("two replicas share a month without overspending it; then only local models are left", async () => {
    const monthlyUsd = "1";
    const gateways = await Promise.all([replica({ monthlyUsd }), replica({ monthlyUsd })]);
    const answered = new Map<string, number>();
    // Each call costs some 0.003 and may cost 0.05.
    for (let round = 0; round < 100 && (answered.get("local") ?? 0) < 20; round++) {
      const answers = await Promise.all(gateways.flatMap((gateway) => [ask(gateway), ask(gateway), ask(gateway)]));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      for (const { headers } of answers) {
        const model = headers.get("x-bellwether-model") ?? "";
        answered.set(model, (answered.get(model) ?? 0) + 1);
      }
    }
    expect(answered.get("local")).toBeGreaterThanOrEqual(20);
    const spent = costOf(hosted.billed(), price).usd;
    expect(spent).toBeLessThanOrEqual(parseDecimal(monthlyUsd));
    expect(spent).toBeGreaterThan(parseDecimal("0.5"));
  });

  test("an exhausted budget that rejects says so with 429 and when it ends", async () => {
    const gateway = await replica({ monthlyUsd: "0.01", onExhausted: "Reject" });
    const response = await ask(gateway);
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({
      error: { code: "BUDGET_EXHAUSTED", message: expect.stringContaining("it begins anew at 2") },
    });
  });

  test("without Postgres no model that costs is asked, local ones go on; both once it is back", async () => {
    postgres.stop();
    let stopped = true;
    try {
      const [lenient, strict] = await Promise.all([
        replica({ monthlyUsd: "10" }),
        replica({ monthlyUsd: "10", onExhausted: "Reject" }),
      ]);
      expect((await ask(lenient)).headers.get("x-bellwether-model")).toBe("local");
      const refused = await ask(strict);
      expect(refused.status).toBe(503);
      expect(await refused.json()).toMatchObject({ error: { code: "BUDGET_UNAVAILABLE" } });
      expect((await ask(strict, { model: "local" })).status).toBe(200);
      expect(hosted.seen).toEqual([]);
      postgres.start();
      stopped = false;
      await expect.poll(async () => (await ask(strict)).status, patience).toBe(200);
    } finally {
      if (stopped) postgres.start();
    }
  });

  test("without Redis answers come all the same, and replicas share them again once it is back", async () => {
    const { gateway, store } = await withRedis();
    const { gateway: other } = await withRedis();
    const answers = async (at: TestGateway, question: string): Promise<unknown> => {
      const response = await at.post("/v1/chat/completions", chat(question));
      await response.arrayBuffer();
      return [response.status, response.headers.get("x-bellwether-cache")];
    };
    expect(await answers(gateway, "The same question?")).toEqual([200, "miss"]);
    await expect.poll(() => answers(other, "The same question?"), patience).toEqual([200, "exact"]);
    await redis.stop();
    await expect.poll(() => store.check().ok, patience).toBe(false);
    expect(await answers(gateway, "Another question?")).toEqual([200, "miss"]);
    expect(await answers(gateway, "The same question?")).toEqual([200, "exact"]);
    const thought = await gateway.get("/v1/thoughts/any");
    expect(thought.status).toBe(503);
    await redis.start();
    await expect.poll(() => store.check().ok, patience).toBe(true);
    const asked = answers(gateway, "A third question?");
    expect(await asked).toEqual([200, "miss"]);
    await expect.poll(() => answers(other, "A third question?"), patience).toEqual([200, "exact"]);
  });

  test("answers outlive Redis: Postgres remembers them, and fills it again", async () => {
    const before = await withRedis();
    await (await before.gateway.post("/v1/chat/completions", chat("Will you remember me?"))).arrayBuffer();
    await before.journal.flush();
    await redis.stop();
    await redis.start();
    const after = await withRedis();
    const restored = await restoreAnswers({
      routeUid: "route-1",
      store: after.store,
      cache: after.gateway.cache,
      journal: after.journal,
    });
    expect(restored).toBe(true);
    const response = await after.gateway.post("/v1/chat/completions", chat("Will you remember me?"));
    expect(response.headers.get("x-bellwether-cache")).toBe("exact");
    expect(hosted.seen).toHaveLength(1);
  });

  test("one replica sees what the others have spent", async () => {
    const gateway = await replica({ monthlyUsd: "10" });
    for (let index = 0; index < 5; index++) await (await ask(gateway)).arrayBuffer();
    const other = await replica({ monthlyUsd: "10" });
    const shown = async (): Promise<string> =>
      ((await (await other.get("/v1/status")).json()) as { budget: { spentUsd: string } }).budget.spentUsd;
    await expect.poll(async () => parseDecimal(await shown()), patience).toBe(costOf(hosted.billed(), price).usd);
  });
});
