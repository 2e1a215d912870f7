import { mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import process from "node:process";
import { connectTo, loadClusterAccess } from "@bellwether/kubernetes";
import { Database } from "@bellwether/postgres";
import {
  type Lifetime,
  Metrics,
  ServiceClient,
  TokenVerifier,
  type WebhookMessage,
  WebhookSender,
  createLogger,
  killOwnProcess,
  loadConfig,
  runService,
  startHealthServer,
  systemClock,
  systemRandom,
} from "@bellwether/service-kit";
import { AlertWatch } from "./alerts/alert-watch.ts";
import { EventHub } from "./api/event-hub.ts";
import { createRiskApi } from "./api/server.ts";
import { type RiskConfig, riskConfig } from "./config.ts";
import { type FailPoints, isFailPointName, killingFailPoints, noFailPoints } from "./fail-points.ts";
import { readAlertBook, storeAlertBook } from "./journal/alert-records.ts";
import { type RiskMetrics, riskMetrics } from "./metrics.ts";
import { createSigner } from "./orders/signer.ts";
import { FilePolicySource } from "./policy/file-policy-source.ts";
import { KubernetesPolicySource } from "./policy/kubernetes-policy-source.ts";
import type { PolicySource } from "./policy/policy-source.ts";
import { RiskService } from "./service.ts";
import { PnlStream } from "./streams/pnl-stream.ts";
import type { RedisWriter } from "./streams/redis-writer.ts";
import { HttpBroker } from "./venue/broker.ts";
import { MarketFeed } from "./venue/market-feed.ts";

const config = loadConfig(riskConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "risk", level: config.logLevel });

runService(main, { log });

async function main(lifetime: Lifetime): Promise<void> {
  const metrics = new Metrics().collectProcess();
  const hub = new EventHub();
  const dsn = (): string => readFileSync(config.dsnFile, "utf8").trim();
  const database = new Database({ dsn, clock: systemClock, log, applicationName: `bellwether-risk ${config.policy.name}` });
  lifetime.onShutdown(() => database.close());
  const figures = riskMetrics(metrics);
  const { service, feeds, webhook } = compose({ database, hub, figures, lifetime });
  const stream = await pnlStream({ hub, figures, lifetime });
  const { source, live } = await policySource();
  lifetime.onShutdown(() => source.close());
  source.watch((policy) => service.setPolicy(policy));

  const { audience, issuer, jwksFile, operatorSubject, controllers } = config;
  const verifier = new TokenVerifier({ audience, issuer, jwksFile, clock: systemClock });
  const api = createRiskApi({ service, hub, verifier, operatorSubject, controllers, clock: systemClock, log });
  const health = await startHealthServer({
    port: config.healthPort,
    metrics,
    log,
    live,
    // Always in its Service: agents and operator must be told why nothing is traded.
    ready: () => [],
    dependencies: () => [
      database.check(),
      service.journalCheck(),
      source.check(),
      ...(stream ? [stream.check()] : []),
      ...(webhook ? [webhook.check()] : []),
      ...service.accounts.map((account) => account.venueCheck()),
      ...feeds.map((feed) => feed.check()),
    ],
  });
  lifetime.onShutdown(() => health.close());
  await api.listen({ port: config.apiPort, host: "0.0.0.0" });
  lifetime.onShutdown(async () => {
    await service.drain();
    await api.close();
  });
  database.startProbe();
  void service.start(lifetime.signal).catch(crash);
  log.info({ policy: config.policy.name, accounts: config.brokers.map(({ account }) => account) }, "risk listens");
}

interface Parts {
  readonly database: Database;
  readonly hub: EventHub;
  readonly figures: RiskMetrics;
  readonly lifetime: Lifetime;
}

/** Where the configuration names a Redis; its client is loaded only then. */
async function pnlStream({ hub, figures, lifetime }: Omit<Parts, "database">): Promise<Pick<RedisWriter, "check"> | undefined> {
  if (config.redisUrlFile === undefined) return undefined;
  const url = readFileSync(config.redisUrlFile, "utf8").trim();
  const redis = await import("./streams/redis-writer.ts");
  const writer = new redis.RedisWriter({ url, policyUid: config.policy.uid, clock: systemClock });
  const stream = new PnlStream({ writer, clock: systemClock, log, onOutcome: (outcome) => figures.pnlStream(outcome) });
  lifetime.onShutdown(() => {
    stream.close();
    writer.close();
  });
  hub.subscribePolicy(stream);
  return writer;
}

interface Composed {
  readonly service: RiskService;
  readonly feeds: readonly MarketFeed[];
  readonly webhook: WebhookSender | undefined;
}

function compose({ database, hub, figures, lifetime }: Parts): Composed {
  const clients = new Map(
    config.brokers.map(({ account, baseUrl, tokenFile }) => [
      account,
      new ServiceClient({ baseUrl, tokenFile, clock: systemClock }),
    ]),
  );
  const feeds = new Map<string, MarketFeed>();
  const { watch, sender } = alertWatch({ database, figures, lifetime, write: (work) => service.write(work) });
  const service: RiskService = new RiskService({
    alerts: watch,
    policy: config.policy,
    brokers: new Map([...clients].map(([account, client]) => [account, new HttpBroker(client)])),
    database,
    signer: createSigner(),
    hub,
    metrics: figures,
    clock: systemClock,
    log,
    failPoints: failPointsFrom(config),
    holder: `${process.env["HOSTNAME"] ?? hostname()}/${process.pid}/${systemClock.nowMs()}`,
    onSeries: (account, series) => feeds.get(account)?.follow(series),
    onSuperseded: (error) => {
      log.fatal({ err: error }, "another risk process has taken this policy over");
      lifetime.stop(1);
    },
  });
  for (const [account, client] of clients) {
    const listener = {
      onBar: (event: Parameters<RiskService["onBar"]>[1]) => service.onBar(account, event),
      onHint: () => service.onVenueHint(account),
      onEnd: (message: string) => service.onMarketEnd(account, message),
    };
    feeds.set(account, new MarketFeed({ account, client, clock: systemClock, log, listener }));
  }
  lifetime.onShutdown(async () => {
    for (const feed of feeds.values()) feed.close();
    await Promise.all([...clients.values()].map((client) => client.close()));
  });
  return { service, feeds: [...feeds.values()], webhook: sender };
}

interface AlertParts extends Omit<Parts, "hub"> {
  readonly write: RiskService["write"];
}

/** Tells the list in the portfolio, the metrics and, where the policy names one, a webhook. */
function alertWatch({ database, figures, lifetime, write }: AlertParts): {
  watch: AlertWatch;
  sender: WebhookSender | undefined;
} {
  const { uid, name, namespace } = config.policy;
  const { webhookUrlFile, webhookPorts } = config;
  const sender =
    webhookUrlFile === undefined
      ? undefined
      : new WebhookSender({
          readUrl: () => readFile(webhookUrlFile, "utf8"),
          ...(webhookPorts && { ports: webhookPorts }),
          clock: systemClock,
          random: systemRandom,
          log,
          onOutcome: (outcome, id) => {
            figures.webhook(outcome);
            if (outcome !== "retried") watch.posted(id);
          },
        });
  if (sender) {
    lifetime.onShutdown(() => sender.close());
    void inspectAgain(sender, lifetime.signal);
  }
  const watch = new AlertWatch({
    policy: { namespace, name },
    store: {
      load: () => readAlertBook(database, uid),
      save: (book) => write((transaction) => storeAlertBook(transaction, uid, book)),
    },
    ...(sender && { post: (message: WebhookMessage) => sender.post(message) }),
    metrics: { told: (alert) => figures.alertTold(alert), firing: (count) => figures.alertsFiring(count) },
    clock: systemClock,
    log,
  });
  return { watch, sender };
}

const inspectEveryMs = 60_000;

/** A Secret that is mounted late, or mended, is noticed before there is something to tell. */
async function inspectAgain(sender: WebhookSender, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sender.inspect();
    await systemClock.sleep(inspectEveryMs, signal).catch(() => undefined);
  }
}

async function policySource(): Promise<{ source: PolicySource; live: () => ReturnType<PolicySource["check"]>[] }> {
  if (config.policyFile !== undefined) {
    return {
      source: new FilePolicySource({ file: config.policyFile, uid: config.policy.uid, clock: systemClock }),
      live: () => [],
    };
  }
  const { KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = process.env;
  const access = await loadClusterAccess({
    env: { KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT },
    clock: systemClock,
  });
  const connect = () => connectTo({ access, clock: systemClock, random: systemRandom, userAgent: "bellwether-risk" });
  const source = new KubernetesPolicySource({
    connection: connect(),
    probe: connect(),
    policy: config.policy,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  return { source, live: () => [source.liveness()] };
}

/** Kill tests name a point at which the process ends itself, once; nobody else sets the variable. */
function failPointsFrom({ failPointDirectory }: RiskConfig): FailPoints {
  const name = process.env["BELLWETHER_FAIL_POINT"];
  if (!name || !isFailPointName(name)) return noFailPoints;
  const directory = failPointDirectory ?? tmpdir();
  mkdirSync(directory, { recursive: true });
  log.warn({ failPoint: name, directory }, "this process will kill itself at a fail point");
  return killingFailPoints({ name, directory, kill: killOwnProcess });
}

/** An error nobody expected: the process ends, and what was under way is found out by the next one. */
function crash(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
