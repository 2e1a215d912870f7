import { writeFileSync } from "node:fs";
import path from "node:path";
import type { RiskPolicy, Strategy } from "@bellwether/crds";
import {
  type ApiClient,
  type KubernetesClient,
  KubernetesMetrics,
  type Resource,
  type Stored,
  connectTo,
  loadClusterAccess,
} from "@bellwether/kubernetes";
import { operatorConfig } from "@bellwether/operator/config";
import { clusterRules } from "@bellwether/operator/rbac";
import { runOperator } from "@bellwether/operator/operator";
import { riskPolicies, strategies } from "@bellwether/operator/resources";
import { TokenIssuerReader } from "@bellwether/operator/token-issuer";
import { watchWorld } from "@bellwether/operator/world";
import { Metrics, createLogger, silentLogger, systemClock, systemRandom } from "@bellwether/service-kit";
import type { ControlPlane } from "../control-plane.ts";
import { FakeNode } from "./fake-node.ts";
import { FakeRisk } from "./fake-risk.ts";

const operatorUser = "system:serviceaccount:bellwether:bellwether-operator";
const clock = systemClock;
const random = systemRandom;

export interface Stage {
  readonly admin: ApiClient;
  readonly risk: FakeRisk;
  readonly node: FakeNode;
  /** Writes of the operators so far, events left out. */
  readonly writes: string[];
  /** Ends the operator and starts another one, which knows nothing but what the API server has. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** An operator in this process with exactly the permission its rbac.ts files state, a risk and a node that only act so. */
export async function setStage(plane: ControlPlane, overrides: object = {}): Promise<Stage> {
  const adminConnection = await connect(plane.kubeconfig);
  const admin = adminConnection.client;
  await applyRole(plane);
  const risk = new FakeRisk();
  const riskUrl = await risk.start();
  const node = new FakeNode(admin, plane);
  await node.start();
  const writes: string[] = [];
  const options = { riskUrl, nodeAgentPort: node.port, overrides, writes };
  let operator = await startOperator(plane, options);
  return {
    admin,
    risk,
    node,
    writes,
    async restart() {
      await operator.stop();
      operator = await startOperator(plane, options);
    },
    async stop() {
      await operator.stop();
      await node.stop();
      await risk.stop();
      await adminConnection.close();
    },
  };
}

async function connect(kubeconfig: string) {
  const access = await loadClusterAccess({ env: { KUBECONFIG: kubeconfig }, clock });
  return connectTo({ access, clock, random });
}

async function applyRole(plane: ControlPlane): Promise<void> {
  const name = "bellwether-operator";
  const metadata = { name };
  const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata, rules: clusterRules() };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: operatorUser }];
  const binding = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata, roleRef, subjects };
  const applied = await plane.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items: [role, binding] }),
  );
  if (applied.code !== 0) throw new Error(applied.stderr);
}

async function startOperator(
  plane: ControlPlane,
  options: { riskUrl: string; nodeAgentPort: number; overrides: object; writes: string[] },
) {
  const tokenFile = path.join(plane.directory, "token");
  writeFileSync(tokenFile, "a token");
  const config = operatorConfig.parse({
    images: {
      agent: "bellwether/agent:test",
      risk: "bellwether/risk:test",
      broker: "bellwether/broker:test",
      gateway: "bellwether/gateway:test",
      ollama: "bellwether/ollama:test",
    },
    riskApi: { urlTemplate: options.riskUrl, tokenFile, pollMs: 100 },
    nodeAgent: { tokenFile, port: options.nodeAgentPort, intervalMs: 100 },
    statusIntervalMs: 500,
    agentBackoff: { firstMs: 300, lastMs: 1_000, failureLimit: 3 },
    finalizerDeadlineMs: 10_000,
    ...options.overrides,
  });
  const connection = await connect(await plane.kubeconfigFor(operatorUser));
  const log = process.env["OPERATOR_LOG"] ? createLogger({ name: "operator", level: process.env["OPERATOR_LOG"] }) : silentLogger;
  const kubernetesMetrics = new KubernetesMetrics(new Metrics());
  const world = watchWorld({ client: connection.client, namespaces: [], clock, random, log, metrics: kubernetesMetrics });
  const tokens = new TokenIssuerReader({ client: connection.client, issuer: config.issuer, clock, log });
  const stopping = new AbortController();
  const client = counting(connection.client, options.writes);
  const running = [
    ...world.all.map((informer) => informer.run(stopping.signal)),
    runOperator({ client, world, tokens, config, instance: "test", clock, random, log, kubernetesMetrics }, stopping.signal),
  ];
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
      await connection.close();
    },
  };
}

/** Notes every write but those of events, which are a courtesy with bounds of their own. */
function counting(client: KubernetesClient, writes: string[]): KubernetesClient {
  const verbs = new Set(["create", "apply", "patch", "patchStatus", "replace", "delete"]);
  return new Proxy(client, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        const resource = args[0] as Resource;
        if (verbs.has(String(property)) && resource.plural !== "events")
          writes.push(`${String(property)} ${resource.kind} ${JSON.stringify(args.slice(1)).slice(0, 300)}`);
        return (member as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

const deadlineMs = 20_000;

/** Waits until `look` gives something, and says what it saw last when it never does. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const start = performance.now();
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() - start > deadlineMs) throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The Strategy once `test` holds for it; tells its status when it never does. */
export async function strategyWhen(
  admin: ApiClient,
  ref: { namespace: string; name: string },
  test: (strategy: Stored<Strategy>) => boolean,
): Promise<Stored<Strategy>> {
  let last: Stored<Strategy> | undefined;
  try {
    return await eventually(`Strategy ${ref.name}`, async () => {
      last = await admin.get(strategies, ref);
      return last !== undefined && test(last) && last;
    });
  } catch (error) {
    throw new Error(`${String(error)}; it is ${JSON.stringify(last?.status, undefined, 1)}`, { cause: error });
  }
}

export const condition = (object: Strategy | RiskPolicy, type: string) =>
  object.status?.conditions?.find((each) => each.type === type);

export function riskPolicy(namespace: string, name = "main"): RiskPolicy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: { name, namespace },
    spec: {
      baseCurrency: "USDT",
      accounts: [
        {
          name: "paper",
          paper: {
            balances: [{ asset: "USDT", amount: "10000" }],
            market: { replay: { dataset: { synthetic: { seed: 7 } }, speed: 60 } },
          },
        },
      ],
    },
  };
}

export function strategy(namespace: string, name: string, spec: Partial<Strategy["spec"]> = {}): Strategy {
  return {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "Strategy",
    metadata: { name, namespace },
    spec: {
      riskPolicyRef: { name: "main", account: "paper" },
      markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
      program: { builtin: { name: "momentum" } },
      capital: { shareRatio: "0.25" },
      ...spec,
    },
  };
}

export { riskPolicies, strategies };
