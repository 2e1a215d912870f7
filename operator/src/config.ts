/** The operator's configuration: one JSON file (path in `BELLWETHER_CONFIG`), rendered by the chart from its values. */
import { z } from "zod";

const name = z.string().min(1).max(63);
const image = z.string().min(1).max(300);
const file = z.string().startsWith("/").max(300);
const quantity = z.string().regex(/^\d+(\.\d+)?(m|Mi|Gi)?$/, "must be a Kubernetes quantity such as 50m, 1 or 128Mi");
const resources = (cpu: string, memory: string) =>
  z.strictObject({
    cpuRequest: quantity.default(cpu),
    memoryRequest: quantity.default(memory),
    memoryLimit: quantity.default("256Mi"),
  });

const volume = (size: string) =>
  z
    .strictObject({
      kind: z.enum(["PersistentVolumeClaim", "EmptyDir"]).default("PersistentVolumeClaim"),
      size: quantity.default(size),
      storageClassName: name.optional(),
    })
    .prefault({});

/** Ways the pods of a policy or a route need that no label can name. Ports are TCP. */
const networkPolicies = z.strictObject({
  enabled: z.boolean().default(true),
  /** Where risk reaches the API server. A NetworkPolicy cannot name it, and its address differs from cluster to cluster. */
  apiServerCidrs: z.array(z.string().max(50)).max(10).default(["0.0.0.0/0"]),
  apiServerPorts: z.array(z.int().min(1).max(65_535)).max(5).default([443, 6443]),
  /** Outgoing ways of brokers with market data from an exchange. */
  exchangeCidrs: z.array(z.string().max(50)).max(50).default(["0.0.0.0/0"]),
  exchangePorts: z.array(z.int().min(1).max(65_535)).max(5).default([443]),
  /** Outgoing ways of gateways to hosted models and web search, and of local models to their registry. */
  modelCidrs: z.array(z.string().max(50)).max(50).default(["0.0.0.0/0"]),
  modelPorts: z.array(z.int().min(1).max(65_535)).max(5).default([443]),
  /** Outgoing ports of risk where a policy names a webhook: only its Secret knows the address. */
  webhookPorts: z.array(z.int().min(1).max(65_535)).min(1).max(5).default([443]),
});

export const operatorConfig = z.strictObject({
  /** Where the operator runs; its Lease lives there. */
  namespace: name.default("bellwether"),
  /** Its own ServiceAccount: risk and node agent accept calls of `system:serviceaccount:<namespace>:<this>` only. */
  serviceAccountName: name.default("bellwether-operator"),
  /** ServiceAccount in the same namespace; bearers of its tokens may control trading (`controllers` of every risk). No pod runs as it. */
  cliServiceAccountName: name.default("bellwether-cli"),
  /** Namespaces whose objects are reconciled; none named: all. */
  watchNamespaces: z.array(name).max(50).default([]),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  healthPort: z.int().min(0).max(65_535).default(9090),

  images: z.strictObject({ agent: image, risk: image, broker: image, gateway: image, ollama: image }),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  imagePullSecrets: z.array(name).max(10).default([]),

  /** Agent pods that run at once, backtests included. */
  maxParallelAgents: z.int().min(1).max(500).default(4),
  /** Cores of each node that the kubelet keeps shared (the drop-in's `kubeReserved.cpu` + 0.9). The rest is the exclusive pool. */
  sharedCores: z.int().min(1).max(64).default(1),

  risk: resources("100m", "96Mi").prefault({}),
  broker: resources("100m", "96Mi").prefault({}),
  agent: z
    .strictObject({
      /** CPU request of an agent with `pinning: Shared`; its limit is `cpus`. */
      sharedCpuRequest: quantity.default("50m"),
      sharedMemoryRequest: quantity.default("96Mi"),
    })
    .prefault({}),

  gateway: resources("40m", "96Mi").prefault({}),
  ollama: z
    .strictObject({
      /** CPU request of a local model with `pinning: Shared`; its limit is `cpus`. */
      sharedCpuRequest: quantity.default("100m"),
      sharedMemoryRequest: quantity.default("256Mi"),
      /** Where its weights are kept. `emptyDir` has them downloaded anew with each pod. */
      volume: volume("20Gi"),
    })
    .prefault({}),

  /** The broker's send log and the paper venue's events. `emptyDir` loses them with the pod: for trying things out only. */
  brokerVolume: volume("1Gi"),

  /** What models answered to a backtest that asks some; there only for those. */
  answersVolume: volume("64Mi"),

  /** A Secret of these keys in each namespace that holds a RiskPolicy or an LlmRoute. The operator never reads it: pods mount it. */
  postgres: z
    .strictObject({
      secretName: name.default("bellwether-postgres"),
      riskDsnKey: name.default("risk-dsn"),
      brokerDsnKey: name.default("broker-dsn"),
      gatewayDsnKey: name.default("gateway-dsn"),
      /** Labels of the Postgres pods for the NetworkPolicies; empty with an external server, then any address on `port` is a named way. */
      podLabels: z.record(z.string().max(63), z.string().max(63)).default({ "app.kubernetes.io/component": "postgres" }),
      port: z.int().min(1).max(65_535).default(5432),
    })
    .prefault({}),

  /** Cache, thoughts and the stream of profit and loss. Its Secret has to be in each namespace that is to use it; elsewhere nothing waits for it. */
  valkey: z
    .strictObject({
      enabled: z.boolean().default(false),
      secretName: name.default("bellwether-valkey"),
      urlKey: name.default("url"),
      /** Where its pods are. */
      namespace: name.default("bellwether"),
      podLabels: z.record(z.string().max(63), z.string().max(63)).default({ "app.kubernetes.io/component": "valkey" }),
      port: z.int().min(1).max(65_535).default(6379),
    })
    .prefault({}),

  nodeAgent: z
    .strictObject({
      enabled: z.boolean().default(true),
      namespace: name.default("bellwether-node"),
      podLabels: z.record(z.string().max(63), z.string().max(63)).default({ "app.kubernetes.io/component": "node-agent" }),
      port: z.int().min(1).max(65_535).default(8080),
      tokenFile: file.default("/var/run/secrets/bellwether/node-agent.bellwether.dev/token"),
      /** How often each node's assignment is read. */
      intervalMs: z.int().min(100).max(600_000).default(2_000),
    })
    .prefault({}),

  riskApi: z
    .strictObject({
      /** `{service}` and `{namespace}` are filled in; a test or an operator outside the cluster puts its own here. */
      urlTemplate: z.string().startsWith("http").max(300).default("http://{service}.{namespace}.svc:8080"),
      tokenFile: file.default("/var/run/secrets/bellwether/risk.bellwether.dev/token"),
      pollMs: z.int().min(50).max(60_000).default(2_000),
      timeoutMs: z.int().min(100).max(60_000).default(3_000),
    })
    .prefault({}),

  gatewayApi: z
    .strictObject({
      /** As `riskApi.urlTemplate`. */
      urlTemplate: z.string().startsWith("http").max(300).default("http://{service}.{namespace}.svc:8080"),
      /** Of the keeper beside a local model, which has no Service until it is ready. */
      keeperPort: z.int().min(1).max(65_535).default(8080),
      tokenFile: file.default("/var/run/secrets/bellwether/gateway.bellwether.dev/token"),
      pollMs: z.int().min(50).max(60_000).default(2_000),
      timeoutMs: z.int().min(100).max(60_000).default(3_000),
    })
    .prefault({}),

  /** Issuer of ServiceAccount tokens; absent: asked from the API server. */
  issuer: z.string().max(300).optional(),
  networkPolicies: networkPolicies.prefault({}),

  /** How long a finalizer waits for what it has to undo before it lets go with an event. */
  finalizerDeadlineMs: z.int().min(100).max(3_600_000).default(60_000),
  /** Live figures in status are written at most this often, and only when they changed. */
  statusIntervalMs: z.int().min(100).max(3_600_000).default(30_000),
  /** Pause before a failed agent is recreated: doubles from the first to the last. After `failureLimit` failures in a row it stays down until its spec changes. */
  agentBackoff: z
    .strictObject({
      firstMs: z.int().min(10).max(600_000).default(1_000),
      lastMs: z.int().min(10).max(3_600_000).default(300_000),
      failureLimit: z.int().min(1).max(1_000).default(20),
    })
    .prefault({}),
  lease: z
    .strictObject({ name: name.default("bellwether-operator"), durationMs: z.int().min(1_000).max(120_000).default(15_000) })
    .prefault({}),
});
export type OperatorConfig = z.infer<typeof operatorConfig>;
