/**
 * A minimal operator on runtimes/kubernetes, for the benchmark that every operator framework is measured with: for each
 * `probes.bench.example.com/v1` a ConfigMap of the same name with `data.value`, owned by it, and one status write.
 *
 * Started with KUBECONFIG, and WATCH_NAMESPACE where only one namespace is meant.
 */
import process from "node:process";
import {
  CachedClient,
  Controller,
  Informer,
  type Outcome,
  connectTo,
  controllerReference,
  done,
  ensureChild,
  keepYoungGenerationSmall,
  loadClusterAccess,
  ownersOfKind,
  statusPatch,
} from "@bellwether/kubernetes";
import { createLogger } from "@bellwether/service-kit/logger";
import { systemClock as clock } from "@bellwether/service-kit/clock";
import { systemRandom as random } from "@bellwether/service-kit/random";
import { type ConfigMap, type Probe, configMaps, probes } from "./probes.ts";

keepYoungGenerationSmall();
const log = createLogger({ name: "probe-operator", level: process.env["LOG_LEVEL"] ?? "warn" });
const namespace = process.env["WATCH_NAMESPACE"];
const connection = connectTo({ access: await loadClusterAccess({ env: process.env, clock }), clock, random });
const common = { client: connection.client, clock, random, log, ...(namespace ? { namespaces: [namespace] } : {}) };
const probeInformer = new Informer<Probe>({ ...common, resource: probes });
const configMapInformer = new Informer<ConfigMap>({ ...common, resource: configMaps });
const client = new CachedClient(connection.client, [probeInformer, configMapInformer]);

async function reconcile(key: string): Promise<Outcome> {
  const probe = probeInformer.cache.get(key);
  if (!probe || probe.metadata.deletionTimestamp !== undefined) return done;
  const { name, namespace: inNamespace = "" } = probe.metadata;
  const desired: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: inNamespace },
    data: { value: probe.spec?.value ?? "" },
  };
  const owner = controllerReference(probe, probes);
  await ensureChild(client, {
    resource: configMaps,
    desired,
    live: configMapInformer.cache.get(key),
    owner,
    cacheIsComplete: true,
  });
  const status = { observedGeneration: probe.metadata.generation, configMap: name };
  const patch = statusPatch(probe.status, status);
  if (patch) await client.patchStatus(probes, { name, namespace: inNamespace }, patch);
  return done;
}

const controller = new Controller({ kind: "Probe", reconcile, clock, random, log, concurrency: 16 })
  .watch(probeInformer)
  .watch(configMapInformer, ownersOfKind("Probe", "bench.example.com/v1"));

const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new Error(signal)));
await Promise.all([probeInformer.run(stop.signal), configMapInformer.run(stop.signal), controller.run(stop.signal)]);
await connection.close();
