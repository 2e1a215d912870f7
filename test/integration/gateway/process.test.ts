import { parseDecimal } from "@bellwether/trading/decimal";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ledgerFigures, readLedger } from "../../../runtimes/gateway/src/budget/ledger.ts";
import { costOf } from "../../../runtimes/gateway/src/budget/spend.ts";
import { OllamaStandIn } from "../../venues/llm/ollama-stand-in.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { TestFiles, chat } from "./gateway-fixture.ts";
import { GatewayFleet, type GatewayProcess } from "./gateway-process.ts";
import { type TestRedis, redisMissing, startRedis } from "../redis.ts";

const missing = postgresMissing() ?? redisMissing();
const files = new TestFiles();
const fleet = new GatewayFleet(files);
const patience = { timeout: 60_000, interval: 100 };
const key = "sk-canary-61f0d3aa";
const hosted = new OpenAiStandIn({ key });
const local = new OllamaStandIn();
const price = { inputPerMillionTokens: parseDecimal("100"), outputPerMillionTokens: parseDecimal("100") };
let postgres: TestPostgres;
let redis: TestRedis;
let urls: { hosted: string; local: string };

/** `skipIf` shows its title alone where it skips: the reason belongs into it. */
describe.skipIf(missing !== undefined)(`a gateway process${missing === undefined ? "" : ` (${missing})`}`, () => {
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    urls = { hosted: await hosted.start(), local: await local.start() };
  });

  afterAll(async () => {
    await fleet.stop();
    postgres?.remove();
    await redis?.remove();
    await Promise.all([hosted.stop(), local.stop()]);
    files.remove();
  });

  beforeEach(async () => {
    await postgres.reset();
    hosted.seen.length = 0;
    hosted.behaviour = "usage-last";
  });
  afterEach(() => fleet.stop());

  let questions = 0;
  const ask = (gateway: GatewayProcess, more: object = {}): Promise<Response> =>
    gateway.chat(chat(`Question ${++questions}?`, more));

  function start(more: object = {}): Promise<GatewayProcess> {
    const prices = { inputPerMillionTokens: "100", outputPerMillionTokens: "100" };
    const apiKeyFile = files.write("key", key);
    return fleet.start({
      route: { uid: "route-1", name: "main", namespace: "bellwether" },
      models: [
        { name: "hosted", price: prices, maxOutputTokens: 100, openai: { model: "gpt-mock", baseUrl: urls.hosted, apiKeyFile } },
        { name: "local", maxOutputTokens: 100, ollama: { model: "tiny", baseUrl: urls.local, parallel: 4 } },
      ],
      limits: { concurrentPerStrategy: 100 },
      dsnFile: files.write("dsn", postgres.gatewayDsn),
      redisUrlFile: files.write("redis-url", redis.url),
      ...more,
    });
  }

  async function spentInPostgres(): Promise<bigint> {
    const [row] = await rowsOf(postgres.superuserDsn, "select ledger from gateway.ledgers");
    return row === undefined ? 0n : ledgerFigures(readLedger(row["ledger"]), Date.now()).spent.usd;
  }
  const billed = (): bigint => costOf(hosted.billed(), price).usd;

  test("lets in who has a token for it, and nobody else", async () => {
    const gateway = await start();
    expect((await ask(gateway)).status).toBe(200);
    const wrong = await gateway.chat(chat("x"), fleet.token("alpha", "risk.bellwether.dev"));
    expect(wrong.status).toBe(401);
    expect((await gateway.chat(chat("x"), "none")).status).toBe(401);
  });

  test("lives through the loss of Postgres and Redis and names both; it is ready as long as some model can be asked", async () => {
    const paid = { name: "hosted", price: { inputPerMillionTokens: "1", outputPerMillionTokens: "1" }, maxOutputTokens: 100 };
    const budget = { monthlyUsd: "10" };
    const both = await start({ budget });
    const strict = await start({ budget, models: [{ ...paid, openai: { model: "gpt-mock", baseUrl: urls.hosted } }] });
    await expect.poll(async () => [...(await both.missing()), ...(await strict.missing())], patience).toEqual([]);
    postgres.stop();
    await redis.stop();
    try {
      const names = ["budget ledger", "postgres", "redis"];
      await expect.poll(async () => (await both.missing()).toSorted(), patience).toEqual(names);
      await expect.poll(() => strict.probe("/readyz"), patience).toBe(503);
      expect([await both.probe("/livez"), await strict.probe("/livez"), await both.probe("/readyz")]).toEqual([200, 200, 200]);
      expect((await ask(both, { model: "local" })).status).toBe(200);
    } finally {
      postgres.start();
      await redis.start();
    }
    await expect.poll(() => strict.probe("/readyz"), patience).toBe(200);
  });

  test("writes what was spent into the ledger when it ends in good order, to the last token", async () => {
    const gateway = await start({ budget: { monthlyUsd: "1000" } });
    for (let index = 0; index < 10; index++) expect((await ask(gateway, { stream: index % 2 === 0 })).status).toBe(200);
    expect(await gateway.end("SIGTERM")).toBe(0);
    expect(await spentInPostgres()).toBe(billed());
  });

  test("a key shows up in no log, metric or error, even when the provider quotes it", async () => {
    const gateway = await start({ logLevel: "trace" });
    hosted.next.push("unauthorized", "not-json", "server-error");
    const texts: string[] = [];
    for (let index = 0; index < 4; index++) texts.push(await (await ask(gateway, { model: "hosted" })).text());
    texts.push(await gateway.metrics(), JSON.stringify(await gateway.health()), gateway.log);
    await gateway.end("SIGTERM");
    expect(hosted.seen.some(({ authorization }) => authorization?.includes(key) === true)).toBe(true);
    for (const text of [...texts, gateway.log]) expect(text).not.toContain(key);
  });
});
