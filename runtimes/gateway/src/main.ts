import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { Database, migrate } from "@bellwether/postgres";
import {
  type Check,
  type Lifetime,
  type Logger,
  Metrics,
  TokenVerifier,
  createLogger,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { BudgetKeeper } from "./answering/budget-keeper.ts";
import { openGateway } from "./answering/open-gateway.ts";
import { openBackend } from "./backends/open-backend.ts";
import { gatewayConfig } from "./config.ts";
import { BudgetJournal } from "./journal/budget-journal.ts";
import { gatewaySchema } from "./journal/migrations/index.ts";
import { Redactor } from "./redaction.ts";
import { createGatewayApi } from "./server/api.ts";
import { StaticTokens } from "./tenants/static-tokens.ts";
import { Tenants } from "./tenants/tenant.ts";

/*
 * BELLWETHER_CONFIG=/etc/bellwether/config.json node main.ts [--tokens FILE]
 *
 * --tokens: callers outside a cluster, `{"<tenant>": "<token>", …}`, instead of projected ServiceAccount tokens.
 */
const { values: flags } = parseArgs({ options: { tokens: { type: "string" } } });
const config = loadConfig(gatewayConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const redactor = new Redactor();
const log = createLogger({ name: "gateway", level: config.logLevel, destination: redactor.guard(process.stdout) });

runService(main, { log, graceMs: 25_000 });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const database = openDatabase(lifetime);
  const budget = openBudget(database, lifetime);
  const { gateway, models, observed } = await openGateway({
    config,
    budget,
    metrics,
    clock: systemClock,
    newId: randomUUID,
    openBackend: (model) =>
      openBackend(model, {
        // The edge: everything behind it takes its HTTP client from here.
        fetch: (input, init) => globalThis.fetch(input, init),
        clock: systemClock,
        onKey: (key) => redactor.add(key),
      }),
  });
  const verifier = openVerifier();
  const api = createGatewayApi({
    gateway,
    models,
    verifier,
    tenants: new Tenants(config, flags.tokens !== undefined),
    observed,
    redactor,
    clock: systemClock,
    log,
    newId: randomUUID,
    maxBodyBytes: config.maxBodyBytes,
    idleTimeoutMs: config.idleTimeoutMs,
  });
  const dependencies = (): Check[] => (database ? [database.check()] : []);
  const health = await startHealthServer({
    port: config.healthPort,
    metrics,
    log,
    live: () => [],
    ready: () => [],
    dependencies,
  });
  lifetime.onShutdown(() => health.close());
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(() => api.close());
  log.info({ route: config.route.name, models: models.map(({ name }) => name) }, "the gateway listens");
}

function openVerifier(): Pick<TokenVerifier, "verify"> {
  if (flags.tokens !== undefined) return new StaticTokens(flags.tokens);
  const { issuer, audience, jwksFile } = config;
  if (issuer === undefined) throw new Error("the configuration names no issuer, and no --tokens are given: nobody could call");
  return new TokenVerifier({ issuer, audience, jwksFile, clock: systemClock });
}

function openDatabase(lifetime: Lifetime): Database | undefined {
  if (config.dsnFile === undefined) return undefined;
  const dsn = readFileSync(config.dsnFile, "utf8").trim();
  const database = new Database({ dsn, clock: systemClock, log, applicationName: `bellwether-gateway ${config.route.name}` });
  lifetime.onShutdown(() => database.close());
  database.startProbe();
  return database;
}

/** Postgres may come later than the gateway: the ledger's schema is made when it first answers, and until then nothing that costs is asked. */
function openBudget(database: Database | undefined, lifetime: Lifetime): BudgetKeeper | undefined {
  if (config.budget === undefined) return undefined;
  if (!database) throw new Error("the configuration has a budget and no dsnFile: it could not be kept");
  const journal = new BudgetJournal(database);
  const migrated = once(() => migrateSchema(database, log));
  const keeper = new BudgetKeeper({
    office: {
      update: async (period, update, limits) => {
        await migrated();
        return journal.update({ routeUid: config.route.uid, period }, update, limits);
      },
    },
    budget: config.budget,
    replica: randomUUID(),
    clock: systemClock,
    log,
  });
  keeper.start();
  lifetime.onShutdown(() => keeper.close());
  return keeper;
}

async function migrateSchema(database: Database, log: Logger): Promise<void> {
  const applied = await migrate(database, gatewaySchema);
  if (applied.length > 0) log.info({ applied }, "migrated the schema gateway");
}

/** Until it has succeeded once, each call tries again. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    await work();
    done = true;
  };
}
