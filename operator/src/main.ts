import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import {
  ApiClient,
  KubernetesMetrics,
  LeaderElection,
  WatchLiveness,
  connectTo,
  keepYoungGenerationSmall,
  loadClusterAccess,
} from "@bellwether/kubernetes";
import {
  Dependency,
  type Lifetime,
  Metrics,
  createLogger,
  loadConfig,
  messageOf,
  runService,
  startHealthServer,
  systemClock,
  systemRandom,
} from "@bellwether/service-kit";
import { operatorConfig } from "./config.ts";
import { runOperator } from "./operator.ts";
import { crdDrift } from "./platform/crd-check.ts";
import { releaseNamespace } from "./platform/release-namespace.ts";
import { TokenIssuerReader } from "./platform/token-issuer.ts";
import { observeWorld } from "./platform/world-metrics.ts";
import { watchWorld } from "./platform/world.ts";

keepYoungGenerationSmall();
const config = loadConfig(operatorConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const log = createLogger({ name: "operator", level: config.logLevel });
const clock = systemClock;
const random = systemRandom;
/** Names of a Deployment's pods are never used twice; outside a cluster a host name says nothing about who runs there. */
const podName = process.env["POD_NAME"];
const instance = `${podName ?? hostname()}_${randomUUID().slice(0, 8)}`;

async function main(lifetime: Lifetime): Promise<void> {
  const { signal } = lifetime;
  const metrics = new Metrics().collectProcess();
  const kubernetesMetrics = new KubernetesMetrics(metrics);
  const access = await loadClusterAccess({ env: process.env, clock });
  const connect = () => connectTo({ access, clock, random, userAgent: "bellwether-operator" });
  // Two connections: what is broken about the watches' must not keep the probe from saying so.
  const [connection, probe] = [connect(), connect()];
  lifetime.onShutdown(() => Promise.all([connection.close(), probe.close()]).then(() => undefined));

  const world = watchWorld({
    client: connection.client,
    namespaces: config.watchNamespaces,
    clock,
    random,
    log,
    metrics: kubernetesMetrics,
  });
  observeWorld(metrics, world);
  const liveness = new WatchLiveness({ informers: world.all, probe: probe.client, clock, log });
  const caches = new Dependency("caches", () => clock.nowMs(), "not filled yet");
  const schemas = new Dependency("crds", () => clock.nowMs(), "not compared yet");
  const health = await startHealthServer({
    port: config.healthPort,
    metrics,
    live: () => [liveness.check()],
    ready: () => [caches.check()],
    log,
  });
  lifetime.onShutdown(() => health.close());

  await checkSchemas(connection.client, schemas);
  const tokens = new TokenIssuerReader({ client: connection.client, issuer: config.issuer, clock, log });
  const watching = [liveness.run(signal), ...world.all.map((informer) => informer.run(signal))];
  void Promise.all(world.all.map((informer) => informer.synced())).then(() => caches.up("filled"));

  const { namespace, lease } = config;
  const election = new LeaderElection({
    client: connection.client,
    clock,
    random,
    log,
    metrics: kubernetesMetrics,
    namespace,
    name: lease.name,
    identity: instance,
    isPredecessor: (holder) => podName !== undefined && holder.startsWith(`${podName}_`),
    leaseDurationMs: lease.durationMs,
    renewDeadlineMs: Math.floor((lease.durationMs * 2) / 3),
    retryPeriodMs: Math.floor(lease.durationMs / 7),
  });
  const client = connection.client.guarded(() => election.assertLeading());
  const options = { client, world, tokens, config, instance, clock, random, log, kubernetesMetrics };
  const leading = election.run((term) => runOperator(options, term), signal);
  lifetime.onShutdown(async () => {
    await Promise.all([leading, ...watching]);
    await releaseNamespace({ client: probe.client, namespace, log });
  });
}

/** Drift is reported, not fatal: an operator that stays away helps nobody, a silent one neither. */
async function checkSchemas(client: ApiClient, schemas: Dependency): Promise<void> {
  const drifts = await crdDrift(client);
  for (const { name, message } of drifts) log.error({ crd: name }, message);
  if (drifts.length === 0) schemas.up("as built");
  else schemas.down(drifts.map(({ message }) => message).join("; "));
}

runService(
  (lifetime) =>
    main(lifetime).catch((error: unknown) => {
      log.fatal({ err: error }, `the operator cannot start: ${messageOf(error)}`);
      throw error;
    }),
  { log, graceMs: 20_000 },
);
