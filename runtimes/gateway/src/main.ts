import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { Database, migrate } from "@bellwether/postgres";
import {
  type Lifetime,
  Metrics,
  TokenVerifier,
  createLogger,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { BudgetKeeper } from "./answering/budget-keeper.ts";
import { type OpenedGateway, openGateway } from "./answering/open-gateway.ts";
import { KeptConnections } from "./backends/kept-connections.ts";
import { KeyFile } from "./backends/key-file.ts";
import { openBackend } from "./backends/open-backend.ts";
import { gatewayConfig } from "./config.ts";
import { gatewayChecks } from "./health.ts";
import { AnswerJournal } from "./journal/answer-journal.ts";
import { BudgetJournal } from "./journal/budget-journal.ts";
import { gatewaySchema } from "./journal/migrations/index.ts";
import { restoreAnswers } from "./journal/restore-answers.ts";
import { Redactor } from "./redaction.ts";
import { Tavily } from "./search/tavily.ts";
import { createGatewayApi } from "./server/api.ts";
import { MemoryStore } from "./store/memory-store.ts";
import { RedisStore } from "./store/redis-store.ts";
import { StaticTokens } from "./tenants/static-tokens.ts";
import { CallersFile } from "./tenants/callers-file.ts";
import { Tenants, holderOfStaticToken } from "./tenants/tenant.ts";

/*
 * BELLWETHER_CONFIG=/etc/bellwether/config.json node main.ts [--tokens FILE]
 *
 * --tokens: callers outside a cluster, `{"<tenant>": "<token>", …}`, instead of projected ServiceAccount tokens.
 */
const { values: flags } = parseArgs({ options: { tokens: { type: "string" } } });
const config = loadConfig(gatewayConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const redactor = new Redactor();
const log = createLogger({ name: "gateway", level: config.logLevel, destination: redactor.guard(process.stdout) });
const clock = systemClock;
const { uid: routeUid } = config.route;
const callers = flags.tokens === undefined ? new CallersFile(config.callersFile, clock) : undefined;
/** The edge: everything behind it takes its HTTP client from here, and whatever key it reads is kept out of every text. */
const edge = {
  fetch: (input: string | URL | Request, init?: RequestInit) => globalThis.fetch(input, init),
  post: new KeptConnections(clock).post,
  clock,
  onKey: (key: string) => redactor.add(key),
};
/** Of a store within the process: what a route without Redis remembers. */
const memoryLimits = { maxEntries: 5_000, maxCharacters: 16 * 1024 * 1024 };

runService(main, { log, graceMs: 25_000 });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const journal = openJournal(lifetime);
  const budget = openBudget(journal, lifetime);
  const redis = openRedis(lifetime);
  const store = redis ?? new MemoryStore(memoryLimits, clock);
  const remember = journal ? journal.answers.remember.bind(journal.answers) : () => undefined;
  const parts = { config, budget, store, remember, metrics, callers, clock, log, newId: randomUUID };
  const opened = await openGateway({ ...parts, openBackend: (model) => openBackend(model, edge) });
  if (journal) keepRestored(opened, { journal, store, redis });
  const api = openApi(opened);
  const checks = gatewayChecks({ ...opened, budget, redis, callers, database: journal?.database, clock });
  const health = await startHealthServer({ port: config.healthPort, metrics, log, ...checks });
  lifetime.onShutdown(() => health.close());
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(() => api.close());
  log.info({ route: config.route.name, models: config.models.map(({ name }) => name) }, "the gateway listens");
}

function openApi(opened: OpenedGateway): ReturnType<typeof createGatewayApi> {
  const { maxBodyBytes, idleTimeoutMs, statusReaders } = config;
  const tavily = config.search?.tavily;
  const search = tavily && new Tavily({ ...edge, baseUrl: tavily.baseUrl, key: new KeyFile(tavily.apiKeyFile, edge) });
  const verifier = openVerifier();
  const tenants = new Tenants(callers ? (subject) => callers.tenant(subject) : holderOfStaticToken);
  const limits = { maxBodyBytes, idleTimeoutMs };
  return createGatewayApi({
    ...opened,
    ...limits,
    search,
    statusReaders,
    verifier,
    tenants,
    redactor,
    clock,
    log,
    newId: randomUUID,
  });
}

function openVerifier(): Pick<TokenVerifier, "verify"> {
  if (flags.tokens !== undefined) return new StaticTokens(flags.tokens);
  const { issuer, audience, jwksFile } = config;
  if (issuer === undefined) throw new Error("the configuration names no issuer, and no --tokens are given: nobody could call");
  return new TokenVerifier({ issuer, audience, jwksFile, clock });
}

interface Journal {
  readonly database: Database;
  readonly answers: AnswerJournal;
  readonly migrated: () => Promise<void>;
}

/** Postgres may come later than the gateway: its schema is made when it first answers. */
function openJournal(lifetime: Lifetime): Journal | undefined {
  if (config.dsnFile === undefined) return undefined;
  const dsn = readFileSync(config.dsnFile, "utf8").trim();
  const database = new Database({ dsn, clock, log, applicationName: `bellwether-gateway ${config.route.name}` });
  const answers = new AnswerJournal(database, { routeUid, clock, log });
  let done = false;
  const migrated = async (): Promise<void> => {
    if (done) return;
    const applied = await migrate(database, gatewaySchema);
    if (applied.length > 0) log.info({ applied }, "migrated the schema gateway");
    done = true;
  };
  lifetime.onShutdown(async () => {
    await answers.close();
    await database.close();
  });
  database.startProbe();
  answers.start();
  return { database, answers, migrated };
}

function openBudget(journal: Journal | undefined, lifetime: Lifetime): BudgetKeeper | undefined {
  if (config.budget === undefined) return undefined;
  if (!journal) throw new Error("the configuration has a budget and no dsnFile: it could not be kept");
  const ledgers = new BudgetJournal(journal.database);
  const keeper = new BudgetKeeper({
    office: {
      update: async (period, update, limits) => {
        await journal.migrated();
        return ledgers.update({ routeUid, period }, update, limits);
      },
    },
    budget: config.budget,
    replica: randomUUID(),
    clock,
    log,
  });
  keeper.start();
  lifetime.onShutdown(() => keeper.close());
  return keeper;
}

function openRedis(lifetime: Lifetime): RedisStore | undefined {
  if (config.redisUrlFile === undefined) return undefined;
  const url = readFileSync(config.redisUrlFile, "utf8").trim();
  redactor.add(url);
  const redis = new RedisStore(url, { clock, log });
  lifetime.onShutdown(() => redis.close());
  return redis;
}

/** Brings remembered answers back at the start, and each time one of the two sides returns. */
function keepRestored(
  { cache }: OpenedGateway,
  parts: { journal: Journal; store: RedisStore | MemoryStore; redis: RedisStore | undefined },
): void {
  const { journal, store, redis } = parts;
  const restore = (): void => {
    journal
      .migrated()
      .then(() => restoreAnswers({ routeUid, store, cache, journal: journal.answers }))
      .catch((error: unknown) => log.warn({ err: error }, "remembered answers cannot be brought back yet"));
  };
  journal.database.onRecovery(restore);
  if (redis) redis.onUp(restore);
  else restore();
}
