import process from "node:process";
import { readFileSync } from "node:fs";
import {
  CodedError,
  type Lifetime,
  Metrics,
  TokenVerifier,
  createLogger,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { type BrokerService, createBrokerApi, refusingService } from "./api.ts";
import { Broker } from "./broker.ts";
import { type BrokerConfig, brokerConfig } from "./config.ts";
import { type FailPoints, isFailPointName, killingFailPoints, noFailPoints } from "./fail-points.ts";
import { CcxtFeed } from "./feeds/ccxt/ccxt-feed.ts";
import { type ExchangeName, openExchange } from "./feeds/ccxt/public-exchange.ts";
import { FailedFeed } from "./feeds/failed-feed.ts";
import type { MarketFeed } from "./feeds/feed.ts";
import { openReplay } from "./feeds/replay/open-replay.ts";
import { Database } from "./journal/database.ts";
import { StreamHub } from "./stream-hub.ts";

const config = loadConfig(brokerConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "broker", level: config.logLevel });

runService(main, { log });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const hub = new StreamHub();
  const paper = config.account.paper;
  const broker = paper ? await openBroker({ paper, hub, metrics, lifetime }) : undefined;
  const kind = config.account.ccxt ? "ccxt" : "solana";
  const service: BrokerService = broker ?? refusingService(config.account.name, kind, () => systemClock.nowMs());

  const { audience, issuer, jwksFile, riskSubject } = config;
  const verifier = new TokenVerifier({ audience, issuer, jwksFile, clock: systemClock });
  const api = createBrokerApi({ service, hub, verifier, riskSubject, clock: systemClock, log });
  const unsupported = {
    name: "account",
    ok: false,
    message: `accounts of kind ${kind} are not supported yet`,
    sinceMs: systemClock.nowMs(),
  };
  const health = await startHealthServer({
    port: config.healthPort,
    metrics,
    log,
    live: () => broker?.live() ?? [],
    ready: () => broker?.ready() ?? [],
    dependencies: () => broker?.dependencies() ?? [unsupported],
  });
  lifetime.onShutdown(() => health.close());
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(async () => {
    hub.close();
    await api.close();
  });
  log.info({ account: config.account.name, policy: config.policy.name }, "the broker listens");
}

async function openBroker(parts: {
  paper: NonNullable<BrokerConfig["account"]["paper"]>;
  hub: StreamHub;
  metrics: Metrics;
  lifetime: Lifetime;
}): Promise<Broker> {
  const { paper, hub, metrics, lifetime } = parts;
  const failPoints = failPointsFrom(config);
  const dsn = readFileSync(config.dsnFile, "utf8").trim();
  const database = new Database({
    dsn,
    clock: systemClock,
    log,
    failPoints,
    applicationName: `bellwether-broker ${config.account.name}`,
  });
  const feed = await openFeed(paper);
  const onFenced = (): void => {
    log.fatal("another broker has taken this account over");
    lifetime.stop(1);
  };
  const broker = await Broker.open({
    config,
    paper,
    feed,
    database,
    clock: systemClock,
    log,
    metrics,
    hub,
    failPoints,
    onFenced,
  });
  lifetime.onShutdown(async () => {
    await broker.close();
    await database.close();
  });
  database.startProbe();
  void broker.start(lifetime.signal).catch(crash);
  void broker.runFeed(lifetime.signal).catch(crash);
  return broker;
}

/** A market that cannot be played is told, by account and readiness, and trades nothing; a restart of the process would not mend it. */
async function openFeed(paper: NonNullable<BrokerConfig["account"]["paper"]>): Promise<MarketFeed> {
  const { market } = paper;
  try {
    if ("replay" in market) return await openReplay({ config, replay: market.replay, clock: systemClock, log });
    const exchange = await openExchange({ ...market.ccxt, load: (name) => import(exchangeModule(name)) });
    return new CcxtFeed({ exchange, markets: config.markets, clock: systemClock, log });
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    log.error({ err: error }, "the market cannot be played");
    return new FailedFeed(error);
  }
}

/** In an image each exchange is a bundle beside this one (package.json, `bellwether.entries`). */
function exchangeModule(name: ExchangeName): string {
  const bundled = import.meta.url.endsWith(".mjs");
  return new URL(bundled ? `./exchange-${name}.mjs` : `./feeds/ccxt/exchanges/${name}.ts`, import.meta.url).href;
}

/** An error nobody expected: the process ends, and what was under way is found out by the next one. */
function crash(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

function failPointsFrom({ failPointDirectory, dataDirectory }: BrokerConfig): FailPoints {
  const name = process.env["BELLWETHER_FAIL_POINT"];
  if (name === undefined || name === "") return noFailPoints;
  if (!isFailPointName(name)) throw new Error(`BELLWETHER_FAIL_POINT names no fail point: ${name}`);
  log.warn({ name }, "a fail point is armed: this process will kill itself");
  return killingFailPoints({
    name,
    directory: failPointDirectory ?? dataDirectory,
    kill: () => process.kill(process.pid, "SIGKILL"),
  });
}
