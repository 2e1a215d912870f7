import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { type BuiltBinary, ensureBinaries } from "../cache/binaries.ts";
import { ensurePackages } from "../cache/packages.ts";
import { ClusterError } from "../errors.ts";
import type { BuiltImage } from "../images/image-builder.ts";
import { withArchive } from "../images/oci-layout.ts";
import { defaultSharedCores, kubeletDropIn } from "../kubelet/drop-in.ts";
import { sourceProblems } from "../preflight/source-problems.ts";
import { clusterObjects } from "../source/cluster-objects.ts";
import {
  type Component,
  type ComponentName,
  components,
  componentsFile,
  configurationFiles,
  type Programs,
  watchdog,
} from "../source/components.ts";
import { instanceState, readInstance, writeInstance } from "../source/instance.ts";
import { network, type SourceLayout, sourceLayout } from "../source/layout.ts";
import { ensureNodeAddress, mayLowerOomScore, reachableNameServers, readMachine } from "../source/machine.ts";
import { ensurePki } from "../source/pki.ts";
import { ensureRunning, stopComponent, waitUntilUp } from "../source/supervisor.ts";
import { removeRemains, teardown } from "../source/teardown.ts";
import { storageClassName } from "../source/volume-provisioner.ts";
import { findCommand, run } from "../shell.ts";
import type { Driver, Problem, Report } from "./driver.ts";

const kubernetesPrograms = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
] as const satisfies readonly BuiltBinary[];

async function findPrograms(): Promise<Programs> {
  const built = await ensureBinaries([...kubernetesPrograms, "etcd"]);
  const containerd = await findCommand("containerd");
  if (!containerd) throw new ClusterError("DRIVER_UNAVAILABLE", "containerd is not installed");
  return { ...built, containerd, node: process.execPath };
}

function writeConfiguration(layout: SourceLayout, pauseImage: string): { forwardsNames: boolean } {
  const totalCores = cpus().length;
  const nameServers = reachableNameServers(readFileSync("/etc/resolv.conf", "utf8"));
  const files = configurationFiles(layout, {
    pauseImage,
    dropIn: kubeletDropIn({ totalCores, sharedCores: defaultSharedCores(totalCores) }),
    restrictOomScore: !mayLowerOomScore(readFileSync("/proc/self/status", "utf8")),
    nameServers,
  });
  for (const [file, text] of files) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o600 });
  }
  return { forwardsNames: nameServers.length > 0 };
}

/** The static policy's checkpoint names policy and reservation; the kubelet refuses to start when they have changed. */
function dropCpuState(layout: SourceLayout): void {
  rmSync(path.join(layout.kubelet, "cpu_manager_state"), { force: true });
}

/** Kubeconfig with embedded certificates, the namespace set: for a person and for tests, wherever the file is moved. */
function personalKubeconfig(layout: SourceLayout): string {
  const data = (file: string): string => readFileSync(path.join(layout.pki, file)).toString("base64");
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "bellwether",
        cluster: { server: `https://127.0.0.1:${network.apiPort}`, "certificate-authority-data": data("ca.crt") },
      },
    ],
    users: [{ name: "bellwether", user: { "client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key") } }],
    contexts: [{ name: "bellwether", context: { cluster: "bellwether", user: "bellwether", namespace: "bellwether" } }],
    "current-context": "bellwether",
  });
}

/** The cluster of upstream programs on this machine: for a machine with neither a container engine nor an image registry. */
export class SourceDriver implements Driver {
  readonly name = "source";
  readonly ownImages = ["coredns", "pause"] as const;
  readonly traits;
  readonly #layout: SourceLayout;

  constructor(layout: SourceLayout = sourceLayout()) {
    this.#layout = layout;
    // The bridge plugin enforces no NetworkPolicy.
    this.traits = {
      kubeletRoot: layout.kubelet,
      sharedCores: defaultSharedCores(cpus().length),
      storageClass: storageClassName,
      enforcesNetworkPolicy: false,
    };
  }

  problems(): Promise<Problem[]> {
    return sourceProblems(this.#layout);
  }

  async prepare(report: Report): Promise<void> {
    await ensurePackages("source", report);
    await ensureBinaries([...kubernetesPrograms, "etcd", "coredns", "helm"], { report });
  }

  async start(images: ReadonlyMap<string, BuiltImage>, report: Report): Promise<string> {
    await this.#claimMachine(report);
    const pause = images.get("pause");
    const coredns = images.get("coredns");
    if (!pause || !coredns) throw new ClusterError("DRIVER_UNAVAILABLE", "the source cluster needs the images pause and coredns");
    await ensurePki(this.#layout.pki);
    const { forwardsNames } = writeConfiguration(this.#layout, pause.reference);
    await ensureNodeAddress();
    await this.#startComponents(images, report);
    report("node");
    const objects = clusterObjects({ corednsImage: coredns.reference, forwardsNames });
    await this.#kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], JSON.stringify(objects));
    await this.#kubectl(["wait", "node", network.nodeName, "--for=condition=Ready", "--timeout=90s"]);
    report("cluster DNS");
    await this.#kubectl(["rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=90s"]);
    return personalKubeconfig(this.#layout);
  }

  async load(images: readonly BuiltImage[], report: Report): Promise<ReadonlyMap<string, string>> {
    const known = new Set((await this.#ctr(["images", "list", "--quiet"])).split("\n"));
    const missing = images.filter((image) => !known.has(image.reference));
    const [first] = missing;
    if (first) {
      report(`importing ${missing.map((image) => image.name).join(", ")}`);
      const references = missing.map((image) => image.reference);
      await withArchive(first.layout, references, (archive) => this.#ctr(["images", "import", archive]));
    }
    // Pinned images survive the kubelet's garbage collection; nothing here could be pulled again.
    for (const { reference } of missing) await this.#ctr(["images", "label", reference, "io.cri-containerd.pinned=pinned"]);
    return new Map(images.map((image) => [image.name, image.reference]));
  }

  async stop(report: Report): Promise<void> {
    const record = readInstance(this.#layout);
    if (record && process.getuid?.() !== 0) {
      throw new ClusterError("PREFLIGHT_FAILED", "the source cluster on this machine belongs to root: run `sudo npm run down`");
    }
    if (record) await teardown(this.#layout, record.before, report);
    await removeRemains(this.#layout);
  }

  /** Records what is there before the first change; clears what a dead instance has left. */
  async #claimMachine(report: Report): Promise<void> {
    const { state, record } = instanceState(this.#layout);
    if (state === "stale" && record) {
      report(`cleaning up after an instance of ${record.startedAt} whose processes are gone`);
      await teardown(this.#layout, record.before, report);
    }
    if (state !== "running") writeInstance(this.#layout, await readMachine(), new Date().toISOString());
  }

  async #startComponents(images: ReadonlyMap<string, BuiltImage>, report: Report): Promise<void> {
    const programs = await findPrograms();
    const all = components(this.#layout, programs);
    const wanted = new Map<ComponentName, Component>(all.map((component) => [component.name, component]));
    // One starter at a time: the watchdog rests while this one works.
    await stopComponent(this.#layout, "watchdog");
    const ensure = async (name: ComponentName, beforeStart?: () => void): Promise<void> => {
      const component = wanted.get(name);
      if (component) await ensureRunning(this.#layout, component, beforeStart);
    };
    report("etcd and kube-apiserver");
    await ensure("etcd");
    await ensure("containerd");
    await ensure("kube-apiserver");
    const probe = async (): Promise<boolean> => (await this.#tryKubectl(["get", "--raw", "/readyz"])).code === 0;
    const containerdUp = async (): Promise<boolean> =>
      (await run("ctr", ["--address", this.#layout.containerdSocket, "version"], { accept: [0, 1] })).code === 0;
    await waitUntilUp(this.#layout, "containerd", { probe: containerdUp, timeoutMs: 30_000 });
    // Before the kubelet: it makes no sandbox without the pause image.
    await this.load(
      [...images.values()].filter((image) => (this.ownImages as readonly string[]).includes(image.name)),
      report,
    );
    await waitUntilUp(this.#layout, "kube-apiserver", { probe, timeoutMs: 90_000 });
    report("controllers, kubelet, kube-proxy");
    await ensure("kube-controller-manager");
    await ensure("kube-scheduler");
    await ensure("kubelet", () => dropCpuState(this.#layout));
    await ensure("kube-proxy");
    await ensure("volumes");
    const healthy = async (): Promise<boolean> => (await this.#tryKubectl(["get", "node", network.nodeName])).code === 0;
    await waitUntilUp(this.#layout, "kubelet", { probe: healthy, timeoutMs: 60_000 });
    writeFileSync(componentsFile(this.#layout), JSON.stringify(all, null, 2));
    await ensureRunning(this.#layout, watchdog(this.#layout, programs));
  }

  async #kubectlCommand(): Promise<readonly [string, ...string[]]> {
    const { kubectl } = await ensureBinaries(["kubectl"]);
    return [kubectl, "--kubeconfig", path.join(this.#layout.etc, "admin.kubeconfig")];
  }

  async #kubectl(args: readonly string[], input?: string): Promise<string> {
    const [kubectl, ...first] = await this.#kubectlCommand();
    return (await run(kubectl, [...first, ...args], { timeoutMs: 120_000, ...(input === undefined ? {} : { input }) })).stdout;
  }

  async #tryKubectl(args: readonly string[]): Promise<{ code: number }> {
    const [kubectl, ...first] = await this.#kubectlCommand();
    return run(kubectl, [...first, "--request-timeout=3s", ...args], { accept: [0, 1] });
  }

  async #ctr(args: readonly string[]): Promise<string> {
    return (await run("ctr", ["--address", this.#layout.containerdSocket, "--namespace", "k8s.io", ...args])).stdout;
  }
}
