import type { RiskPolicySpec } from "@bellwether/crds";
import type { StoredPolicy } from "kubectl-bellwether/cluster";
import type { ControlPlane } from "../control-plane.ts";

export const namespace = "bellwether";
export const policyName = "demo";
export const riskPod = `${namespace}/rpol-demo-risk-0`;

const labels = { "bellwether.dev/riskpolicy": policyName, "app.kubernetes.io/component": "risk" };
const ready = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };

export async function apply(plane: ControlPlane, object: object): Promise<void> {
  const { code, stderr } = await plane.kubectl(
    ["apply", "--server-side", "--force-conflicts", "-f", "-"],
    JSON.stringify(object),
  );
  if (code !== 0) throw new Error(stderr);
}

async function setStatus(plane: ControlPlane, kind: string, { name, status }: { name: string; status: object }): Promise<void> {
  const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
  const { code, stderr } = await plane.kubectl(["patch", kind, name, "-n", namespace, ...patch]);
  if (code !== 0) throw new Error(stderr);
}

export async function readPolicy(plane: ControlPlane): Promise<StoredPolicy> {
  const { stdout } = await plane.kubectl(["get", "riskpolicy", policyName, "-n", namespace, "-o", "json"]);
  return JSON.parse(stdout) as StoredPolicy;
}

const paper = {
  name: "paper",
  paper: {
    balances: [{ asset: "USDT", amount: "100000" }],
    market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: 600 } },
  },
};

/** Namespace, node, risk pod, ServiceAccounts and policy, as a cluster with Bellwether has them. The node's kubelet is at `kubeletPort` on loopback. */
export async function furnish(plane: ControlPlane, kubeletPort: number, spec: Partial<RiskPolicySpec> = {}): Promise<void> {
  const inNamespace = (name: string) => ({ name, namespace });
  await apply(plane, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await apply(plane, { apiVersion: "v1", kind: "Node", metadata: { name: "here" } });
  const addresses = [{ type: "InternalIP", address: "127.0.0.1" }];
  await setStatus(plane, "node", {
    name: "here",
    status: { addresses, daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } } },
  });
  for (const name of ["bellwether-cli", "bellwether-operator", "rpol-demo-risk", "strat-trend-agent"]) {
    await apply(plane, { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace(name) });
  }
  await apply(plane, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...inNamespace("rpol-demo-risk-0"), labels },
    spec: { nodeName: "here", containers: [{ name: "risk", image: "none" }] },
  });
  await setStatus(plane, "pod", { name: "rpol-demo-risk-0", status: ready });
  await apply(plane, {
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: inNamespace(policyName),
    spec: { baseCurrency: "USDT", accounts: [paper], ...spec },
  });
}
