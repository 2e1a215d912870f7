/** What the operator needs around it: permission, a node, a node agent and a risk that only act so, and a RiskPolicy. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import path from "node:path";
import { type Connection, connectTo, loadClusterAccess } from "@bellwether/kubernetes";
import type { NodeCpus } from "@bellwether/node-agent/config";
import { clusterRules, ownNamespaceRules } from "@bellwether/operator/rbac";
import { riskPolicies } from "@bellwether/operator/resources";
import { systemClock as clock, systemRandom as random } from "@bellwether/service-kit";
import type { ControlPlane } from "../../integration/control-plane.ts";
import { FakeRisk } from "../../integration/operator/fake-risk.ts";
import { riskPolicy } from "../../integration/operator/harness.ts";
import type { OperatorSurroundings } from "./operator-process.ts";

export const namespace = "bellwether";
/** Room for every agent of the benchmark: what is measured is the whole way to a pod, not the queue for a core. */
const nodeCores = 64;
const nodeName = "bench-node";
const operatorUser = `system:serviceaccount:${namespace}:bellwether-operator`;

export interface Surroundings {
  readonly connection: Connection;
  readonly operator: OperatorSurroundings;
  close(): Promise<void>;
}

export async function setUp(plane: ControlPlane): Promise<Surroundings> {
  await create(plane, [namespaceOf(namespace), namespaceOf("bellwether-node"), ...permission()]);
  const agent = await startNodeAgent();
  await addNode(plane);
  const risk = new FakeRisk();
  const riskUrl = await risk.start();
  const access = await loadClusterAccess({ env: { KUBECONFIG: plane.kubeconfig }, clock });
  const connection = connectTo({ access, clock, random });
  const { metadata } = await connection.client.create(riskPolicies, riskPolicy(namespace));
  risk.policyUid = metadata.uid;
  const tokenFile = path.join(plane.directory, "token");
  writeFileSync(tokenFile, "a token");
  const port = await freePort();
  const configFile = path.join(plane.directory, "operator.json");
  writeFileSync(
    configFile,
    JSON.stringify({
      namespace,
      logLevel: "warn",
      healthPort: port,
      images: Object.fromEntries(
        ["agent", "risk", "broker", "gateway", "ollama"].map((name) => [name, `bellwether/${name}:bench`]),
      ),
      maxParallelAgents: 500,
      riskApi: { urlTemplate: riskUrl, tokenFile },
      nodeAgent: { tokenFile, port: agent.port },
    }),
  );
  return {
    connection,
    operator: {
      kubeconfig: await plane.kubeconfigFor(operatorUser),
      configFile,
      healthPort: port,
      logFile: path.join(plane.directory, "operator.log"),
    },
    async close() {
      await connection.close();
      await risk.stop();
      await agent.close();
    },
  };
}

const namespaceOf = (name: string): object => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

/** Exactly what the chart gives it. */
function permission(): object[] {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const name = "bellwether-operator";
  const apiGroup = "rbac.authorization.k8s.io";
  const subjects = [{ kind: "User", apiGroup, name: operatorUser }];
  const own = { name, namespace };
  return [
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules: clusterRules() },
    { apiVersion, kind: "ClusterRoleBinding", metadata: { name }, roleRef: { apiGroup, kind: "ClusterRole", name }, subjects },
    { apiVersion, kind: "Role", metadata: own, rules: ownNamespaceRules },
    { apiVersion, kind: "RoleBinding", metadata: own, roleRef: { apiGroup, kind: "Role", name }, subjects },
  ];
}

/** A node with a node agent's pod on it. Nobody binds or runs the pods of agents: they stay as the operator made them. */
async function addNode(plane: ControlPlane): Promise<void> {
  const agent = { name: "node-agent-x", namespace: "bellwether-node", labels: { "app.kubernetes.io/component": "node-agent" } };
  const containers = [{ name: "node-agent", image: "x", resources: { requests: { cpu: "20m" } } }];
  await create(plane, [
    { apiVersion: "v1", kind: "Node", metadata: { name: nodeName } },
    { apiVersion: "v1", kind: "Pod", metadata: agent, spec: { nodeName, containers } },
  ]);
  const capacity = { cpu: String(nodeCores), memory: "64Gi", pods: "500" };
  const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }];
  await patchStatus(plane, ["node", nodeName], { capacity, allocatable: capacity, conditions });
  await patchStatus(plane, ["pod", agent.name, "-n", agent.namespace], { phase: "Running", podIP: "127.0.0.1" });
}

async function create(plane: ControlPlane, items: readonly object[]): Promise<void> {
  const made = await plane.kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  if (made.code !== 0) throw new Error(made.stderr);
}

async function patchStatus(plane: ControlPlane, target: readonly string[], status: object): Promise<void> {
  const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
  const patched = await plane.kubectl(["patch", ...target, ...patch]);
  if (patched.code !== 0) throw new Error(patched.stderr);
}

async function startNodeAgent(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const exclusivePoolCores = nodeCores - 1;
  const cpus: NodeCpus = {
    node: nodeName,
    policy: "static",
    exclusivePool: `1-${exclusivePoolCores}`,
    exclusivePoolCores,
    pods: [],
  };
  const server = createServer((_request, reply) => reply.setHeader("content-type", "application/json").end(JSON.stringify(cpus)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
