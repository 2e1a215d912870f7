import process from "node:process";
import { readFileSync } from "node:fs";
import { Database } from "@bellwether/postgres";
import {
  CodedError,
  type Lifetime,
  Metrics,
  TokenVerifier,
  createLogger,
  hasCode,
  killOwnProcess,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { createBrokerApi } from "./api.ts";
import { Broker } from "./broker.ts";
import {
  type BrokerConfig,
  type CcxtAccountConfig,
  type PaperAccountConfig,
  type SolanaAccountConfig,
  brokerConfig,
} from "./config.ts";
import type { BrokerErrorCode } from "./errors.ts";
import { type FailPoints, isFailPointName, killingFailPoints, noFailPoints } from "./fail-points.ts";
import { CcxtFeed } from "./feeds/ccxt/ccxt-feed.ts";
import type { ExchangeName } from "./feeds/ccxt/client.ts";
import { openExchange } from "./feeds/ccxt/public-exchange.ts";
import { FailedFeed } from "./feeds/failed-feed.ts";
import type { MarketFeed } from "./feeds/feed.ts";
import { openReplay } from "./feeds/replay/open-replay.ts";
import { ExchangeReference } from "./references/exchange-reference.ts";
import type { ReferenceSource } from "./references/reference-source.ts";
import { StreamHub } from "./stream-hub.ts";
import { openCcxt } from "./venues/ccxt/open-ccxt.ts";
import { FailedVenue } from "./venues/failed-venue.ts";
import { openPaper } from "./venues/paper/open-paper.ts";
import type { HttpFetch } from "./venues/solana/jupiter.ts";
import { openSolana } from "./venues/solana/open-solana.ts";
import type { OpenVenue } from "./venues/venue.ts";

const config = loadConfig(brokerConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "broker", level: config.logLevel });

runService(main, { log });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const hub = new StreamHub();
  const opened = await openAccount();
  const broker = await openBroker({ ...opened, hub, metrics, lifetime });

  const { audience, issuer, jwksFile, riskSubject } = config;
  const verifier = new TokenVerifier({ audience, issuer, jwksFile, clock: systemClock });
  const api = createBrokerApi({ service: broker, hub, verifier, riskSubject, clock: systemClock, log });
  const health = await startHealthServer({
    port: config.healthPort,
    metrics,
    log,
    live: () => broker.live(),
    ready: () => broker.ready(),
    dependencies: () => broker.dependencies(),
  });
  lifetime.onShutdown(() => health.close());
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(async () => {
    hub.close();
    await api.close();
  });
  log.info({ account: config.account.name, policy: config.policy.name }, "the broker listens");
}

/** What a kind of account brings: where its bars come from, and the venue itself. */
interface OpenedAccount {
  readonly feed: MarketFeed;
  readonly openVenue: OpenVenue;
  /** What its prices are checked by. */
  readonly reference?: ReferenceSource;
}

async function openAccount(): Promise<OpenedAccount> {
  const { reference } = config.account;
  const opened = await openKind();
  if (!reference || !("ccxt" in reference)) return opened;
  const { exchange } = reference.ccxt;
  const markets = [...new Set(config.markets.map(({ symbol }) => symbol))];
  const minutes = markets.map((symbol) => ({ symbol, timeframe: "1m" }));
  return { ...opened, reference: new ExchangeReference({ exchange, feed: await openFeed(reference, minutes), markets }) };
}

async function openKind(): Promise<OpenedAccount> {
  const { paper, ccxt, solana } = config.account;
  if (ccxt) return openLive(ccxt);
  if (solana) return openWallet(solana);
  if (paper) return { feed: await openFeed(paper.market), openVenue: openPaper(paper) };
  throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "an account has no kind");
}

async function openLive(account: CcxtAccountConfig): Promise<OpenedAccount> {
  try {
    const { exchange, openVenue } = await openCcxt({
      account,
      clock: systemClock,
      load: (name) => import(exchangeModule(name)),
      connect: (url) => new WebSocket(url),
    });
    return { feed: new CcxtFeed({ exchange, markets: config.markets, clock: systemClock, log }), openVenue };
  } catch (error) {
    if (!hasCode<BrokerErrorCode>(error)) throw error;
    log.error({ err: error }, "the account cannot be opened");
    return failedAccount("ccxt", error);
  }
}

async function openWallet(account: SolanaAccountConfig): Promise<OpenedAccount> {
  try {
    // The edge: everything behind it takes its HTTP client from here.
    const fetch: HttpFetch = (url, init) => globalThis.fetch(url, init);
    const { reference } = config.account;
    const pyth = reference && "pyth" in reference ? reference.pyth : undefined;
    const opened = await openSolana({ account, pyth, fetch, clock: systemClock, log });
    return { feed: await openFeed(account.market), ...opened };
  } catch (error) {
    if (!hasCode<BrokerErrorCode>(error)) throw error;
    log.error({ err: error }, "the account cannot be opened");
    return failedAccount("solana", error);
  }
}

/** Starts all the same: what is wrong reaches the policy's status, and what was sent before stays known. */
function failedAccount(kind: "ccxt" | "solana", error: CodedError<BrokerErrorCode>): OpenedAccount {
  return { feed: new FailedFeed(error), openVenue: async () => new FailedVenue(kind, error) };
}

async function openBroker(parts: OpenedAccount & { hub: StreamHub; metrics: Metrics; lifetime: Lifetime }): Promise<Broker> {
  const { feed, openVenue, reference, hub, metrics, lifetime } = parts;
  const failPoints = failPointsFrom(config);
  const dsn = (): string => readFileSync(config.dsnFile, "utf8").trim();
  const database = new Database({
    dsn,
    clock: systemClock,
    log,
    failPoints,
    // Revisions and sequences of an account never appear out of order: risk reads on from the last one it has seen.
    transactions: "queued",
    plans: "anew",
    applicationName: `bellwether-broker ${config.account.name}`,
  });
  const onFenced = (): void => {
    log.fatal("another broker has taken this account over");
    lifetime.stop(1);
  };
  const broker = await Broker.open({
    config,
    feed,
    openVenue,
    ...(reference ? { reference } : {}),
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
  void broker.runReference(lifetime.signal).catch(crash);
  return broker;
}

/** A market that cannot be played is told, by account and readiness, and trades nothing; a restart of the process would not mend it. */
async function openFeed(market: PaperAccountConfig["market"], markets = config.markets): Promise<MarketFeed> {
  try {
    if ("replay" in market) return await openReplay({ config, replay: market.replay, clock: systemClock, log });
    const exchange = await openExchange({ ...market.ccxt, load: (name) => import(exchangeModule(name)) });
    return new CcxtFeed({ exchange, markets, clock: systemClock, log });
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
    kill: killOwnProcess,
  });
}
