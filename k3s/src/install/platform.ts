import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import type { Report } from "../drivers/driver.ts";
import { ClusterError } from "../errors.ts";
import { repositoryRoot } from "../images/image-list.ts";
import { run } from "../shell.ts";
import { chartValues, type ValuesInput } from "./chart-values.ts";
import { type ClusterTools, kubectl, waitFor } from "./kubectl.ts";
import { imageFault, type Pod, podFault, type Strategy, strategyFault, type Workload, workloadFault } from "./readiness.ts";

/** Namespace of the platform and of the demo objects. */
const namespace = "bellwether";
const nodeNamespace = "bellwether-node";
const quickstartStrategy = "quickstart-momentum";
const chart = path.join(repositoryRoot, "charts/bellwether");
const quickstart = path.join(repositoryRoot, "manifests/samples/quickstart");

/**
 * A helm that was killed leaves its release `pending-…`, and every later one refuses with "another operation is in progress".
 * There is none: the lock on this user's cluster is held by us.
 */
async function forgetInterrupted(tools: ClusterTools): Promise<void> {
  const selector = "owner=helm,name=bellwether,status in (pending-install, pending-upgrade, pending-rollback)";
  await kubectl(tools, ["delete", "secret", "-n", namespace, "-l", selector, "--ignore-not-found"]);
}

/** Installs the chart, or upgrades an installed one. Readiness is waited for apart, with a better word on what is missing. */
export async function installChart(tools: ClusterTools, values: ValuesInput, report: Report): Promise<void> {
  const directory = path.join(repositoryRoot, ".bellwether");
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, "values.yaml");
  writeFileSync(file, stringify(chartValues(values)));
  await forgetInterrupted(tools);
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

async function listed<Item>(tools: ClusterTools, what: string, at: string): Promise<Item[]> {
  const { stdout } = await kubectl(tools, ["get", what, "-n", at, "-o", "json"]);
  return (JSON.parse(stdout) as { items: Item[] }).items;
}

/** The first workload that has not rolled out, explained by its pod where one says why. */
async function firstFault(tools: ClusterTools, images: ReadonlyMap<string, string>): Promise<string | undefined> {
  for (const at of [namespace, nodeNamespace]) {
    const workloads = await listed<Workload>(tools, "deployments,statefulsets,daemonsets", at);
    const fault = workloads.map(workloadFault).find((found) => found !== undefined);
    const pods = await listed<Pod>(tools, "pods", at);
    if (!fault) {
      const outdated = pods.map((pod) => imageFault(pod, images)).find((found) => found !== undefined);
      if (outdated) return outdated;
      continue;
    }
    const podFaults = pods.map(podFault).filter((found) => found !== undefined);
    return [fault, ...podFaults.slice(0, 2)].join("; ");
  }
  return undefined;
}

/** The last words of the containers that are not ready: what a person would ask for next. */
async function lastWords(tools: ClusterTools): Promise<string> {
  for (const at of [namespace, nodeNamespace]) {
    const pod = (await listed<Pod>(tools, "pods", at)).find((candidate) => podFault(candidate) !== undefined);
    if (!pod) continue;
    const { stdout } = await kubectl(tools, ["logs", "-n", at, pod.metadata.name, "--tail=3"], { accept: [0, 1] });
    if (stdout !== "") return `\nThe end of its log:\n${stdout.trimEnd()}`;
  }
  return "";
}

async function orWithLastWords(tools: ClusterTools, wait: Promise<void>): Promise<void> {
  try {
    await wait;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "NOT_READY") throw error;
    throw new ClusterError("NOT_READY", `${error.message}${await lastWords(tools)}`, { cause: error });
  }
}

/** Waits until every workload of the platform is ready and runs the given images. @throws ClusterError NOT_READY naming the first that is not, and why */
export function waitForPlatform(tools: ClusterTools, images: ReadonlyMap<string, string>, report: Report): Promise<void> {
  return orWithLastWords(
    tools,
    waitFor(() => firstFault(tools, images), 180_000, report),
  );
}

/** Applies the quickstart objects; existing ones are brought up to date. */
export async function applyQuickstart(tools: ClusterTools): Promise<void> {
  await kubectl(tools, ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"]);
  await kubectl(tools, ["apply", "--namespace", namespace, "--server-side", "--force-conflicts", "--filename", quickstart]);
}

/** Waits until the quickstart strategy runs. @throws ClusterError NOT_READY with the operator's own sentence */
export function waitForQuickstart(tools: ClusterTools, report: Report): Promise<void> {
  const wait = waitFor(
    async () => {
      const strategies = await listed<Strategy>(tools, "strategies", namespace);
      const first = strategies.find((strategy) => strategy.metadata.name === quickstartStrategy);
      return first ? strategyFault(first, strategies.length - 1) : `no strategy ${quickstartStrategy} yet`;
    },
    180_000,
    report,
  );
  return orWithLastWords(tools, wait);
}

/** The tables a person sees at the end of `up`. */
export async function platformTables(tools: ClusterTools): Promise<string> {
  const { stdout, stderr } = await kubectl(tools, ["get", "bellwether", "-n", namespace], { accept: [0, 1] });
  return stdout || stderr;
}

/** What `up` is about to make in a cluster that it did not make itself. */
export interface Created {
  readonly namespaces: string[];
  readonly definitions: string[];
}

const definitions = ["strategies", "llmroutes", "riskpolicies", "checkpoints"].map((plural) => `${plural}.bellwether.dev`);

async function absent(tools: ClusterTools, kind: string, names: readonly string[]): Promise<string[]> {
  const { stdout } = await kubectl(tools, ["get", kind, "-o", "name"]);
  const present = new Set(stdout.split("\n").map((line) => line.slice(line.indexOf("/") + 1)));
  return names.filter((name) => !present.has(name));
}

/** Names that are not in the cluster yet: what `down` may remove again. */
export async function willCreate(tools: ClusterTools): Promise<Created> {
  return {
    namespaces: await absent(tools, "namespaces", [namespace, nodeNamespace]),
    definitions: await absent(tools, "customresourcedefinitions", definitions),
  };
}

/**
 * Takes Bellwether out of a cluster that stays: the chart (whose hook drains first, so that no order is left working), then
 * what `created` says was not there before.
 */
export async function uninstallPlatform(tools: ClusterTools, created: Created, report: Report): Promise<void> {
  report("helm uninstall");
  const args = ["uninstall", "bellwether", "--namespace", namespace, "--ignore-not-found", "--wait", "--timeout", "6m"];
  await run(tools.helm, ["--kubeconfig", tools.kubeconfig, ...args], { timeoutMs: 420_000 });
  report("removing what was made");
  if (created.definitions.length > 0)
    await kubectl(tools, ["delete", "customresourcedefinition", "--ignore-not-found", ...created.definitions]);
  if (created.namespaces.length > 0) await kubectl(tools, ["delete", "namespace", "--ignore-not-found", ...created.namespaces]);
}
