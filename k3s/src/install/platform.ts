import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import type { Report } from "../drivers/driver.ts";
import { ClusterError } from "../errors.ts";
import { repositoryRoot } from "../images/image-list.ts";
import { run } from "../shell.ts";
import { chartValues, type ValuesInput } from "./chart-values.ts";
import { type ClusterTools, kubectl, waitFor } from "./kubectl.ts";
import { type Pod, podFault, type Strategy, strategyFault } from "./readiness.ts";

/** Namespace of the platform and of the demo objects. */
export const namespace = "bellwether";
const nodeNamespace = "bellwether-node";
const chart = path.join(repositoryRoot, "charts/bellwether");
const quickstart = path.join(repositoryRoot, "manifests/samples/quickstart");

/** Installs the chart, or upgrades an installed one. Readiness is waited for apart, with a better word on what is missing. */
export async function installChart(tools: ClusterTools, values: ValuesInput, report: Report): Promise<void> {
  const directory = path.join(repositoryRoot, ".bellwether");
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, "values.yaml");
  writeFileSync(file, stringify(chartValues(values)));
  report("helm upgrade --install");
  const args = [
    "upgrade",
    "--install",
    "bellwether",
    chart,
    "--namespace",
    namespace,
    "--create-namespace",
    "--values",
    file,
    "--timeout",
    "5m",
  ];
  try {
    await run(tools.helm, ["--kubeconfig", tools.kubeconfig, ...args], { timeoutMs: 360_000 });
  } catch (cause) {
    throw new ClusterError("CHART_FAILED", `the chart could not be installed: ${(cause as Error).message}`, { cause });
  }
}

async function podsOf(tools: ClusterTools): Promise<Pod[]> {
  const lists = await Promise.all(
    [namespace, nodeNamespace].map((at) => kubectl(tools, ["get", "pods", "-n", at, "-o", "json"])),
  );
  return lists.flatMap(({ stdout }) => (JSON.parse(stdout) as { items: Pod[] }).items);
}

async function firstPodFault(tools: ClusterTools): Promise<string | undefined> {
  const pods = await podsOf(tools);
  if (pods.length === 0) return "no pod yet";
  return pods.map(podFault).find((fault) => fault !== undefined);
}

/** Waits until every pod of the platform is ready. @throws ClusterError NOT_READY naming the first that is not */
export function waitForPods(tools: ClusterTools, report: Report): Promise<void> {
  return waitFor(() => firstPodFault(tools), 180_000, report);
}

/** Applies the quickstart objects; existing ones are brought up to date. */
export async function applyQuickstart(tools: ClusterTools): Promise<void> {
  await kubectl(tools, ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"]);
  await kubectl(tools, ["apply", "--namespace", namespace, "--server-side", "--force-conflicts", "--filename", quickstart]);
}

/** Waits until the quickstart strategy runs. @throws ClusterError NOT_READY with the operator's own sentence */
export function waitForQuickstart(tools: ClusterTools, report: Report): Promise<void> {
  return waitFor(
    async () => {
      const { stdout } = await kubectl(tools, ["get", "strategies", "-n", namespace, "-o", "json"]);
      const strategies = (JSON.parse(stdout) as { items: Strategy[] }).items;
      if (strategies.length === 0) return "no strategy yet";
      return strategies.map(strategyFault).find((fault) => fault !== undefined);
    },
    180_000,
    report,
  );
}

/** The tables a person sees at the end of `up`. */
export async function platformTables(tools: ClusterTools): Promise<string> {
  const { stdout, stderr } = await kubectl(tools, ["get", "bellwether", "-n", namespace], { accept: [0, 1] });
  return stdout || stderr;
}

/** Takes the chart out of a cluster that stays: the chart's own hook drains first, so that no order is left working. */
export async function uninstallPlatform(tools: ClusterTools, report: Report): Promise<void> {
  report("helm uninstall");
  await run(
    tools.helm,
    [
      "--kubeconfig",
      tools.kubeconfig,
      "uninstall",
      "bellwether",
      "--namespace",
      namespace,
      "--ignore-not-found",
      "--wait",
      "--timeout",
      "5m",
    ],
    { timeoutMs: 360_000 },
  );
}
