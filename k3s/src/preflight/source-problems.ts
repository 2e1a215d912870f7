import { existsSync, readFileSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { cpus } from "node:os";
import { missingBinaries } from "../cache/binaries.ts";
import { cacheDirectory } from "../cache/cache-directory.ts";
import { missingPackages } from "../cache/packages.ts";
import type { Problem } from "../drivers/driver.ts";
import { findCommand, hasCommand, run } from "../shell.ts";
import { hasKubernetesChains } from "../source/iptables.ts";
import { instanceState } from "../source/instance.ts";
import { hostPorts, network, type SourceLayout } from "../source/layout.ts";
import { networkLinks } from "../source/machine.ts";

/** What preflight looks at; gathered at once, judged by `judgeSource`. */
export interface SourceFacts {
  readonly platform: string;
  readonly isRoot: boolean;
  readonly cores: number;
  readonly hasGo: boolean;
  /** Programs that would have to be built with Go. */
  readonly missingBinaries: readonly string[];
  readonly missingPackages: readonly string[];
  readonly hasApt: boolean;
  readonly freeDiskBytes: number;
  /** Ports that another process listens on. */
  readonly takenPorts: readonly { readonly port: number; readonly owner: string }[];
  readonly missingControllers: readonly string[];
  /** Kernel abilities that are absent, in words. */
  readonly missingKernel: readonly string[];
  /** Signs of another Kubernetes node on this machine. */
  readonly foreignNode: readonly string[];
}

const gibibyte = 2 ** 30;

function needsDiskBytes(facts: SourceFacts): number {
  return (facts.missingBinaries.length > 0 ? 14 : 6) * gibibyte;
}

/** Everything that is missing at once, each with what to do: nobody should have to start five times to learn five things. */
export function judgeSource(facts: SourceFacts): Problem[] {
  const problems: Problem[] = [];
  const problem = (what: string, remedy: string): number => problems.push({ what, remedy });
  if (facts.platform !== "linux") {
    return [
      {
        what: `the source cluster runs on Linux only, this is ${facts.platform}`,
        remedy: "install Docker and kind, or name a cluster of yours: --cluster current --registry …",
      },
    ];
  }
  if (!facts.isRoot) problem("not root", "run it with sudo, or install Docker and kind: `--cluster kind` needs no root");
  if (facts.cores < 2) problem(`${facts.cores} CPU`, "at least 2 are needed: one for the system, one to pin an agent to");
  if (facts.missingBinaries.length > 0 && !facts.hasGo) {
    problem(
      `Go is missing and ${facts.missingBinaries.join(", ")} must be built`,
      "install Go 1.24 or later (https://go.dev/dl) and put it on the PATH",
    );
  }
  if (facts.missingPackages.length > 0 && !facts.hasApt) {
    problem(
      `${facts.missingPackages.join(", ")} not installed and no apt-get here`,
      "install these Debian packages' programs with the package manager of this machine",
    );
  }
  if (facts.freeDiskBytes < needsDiskBytes(facts)) {
    const free = (facts.freeDiskBytes / gibibyte).toFixed(1);
    problem(
      `${free} GiB of disk free`,
      `${needsDiskBytes(facts) / gibibyte} GiB are needed for builds, images and the cluster: make room, or set XDG_CACHE_HOME to another disk`,
    );
  }
  for (const { port, owner } of facts.takenPorts)
    problem(`port ${port} is taken, ${owner} needs it`, `stop what listens there (ss -ltnp 'sport = :${port}')`);
  for (const controller of facts.missingControllers)
    problem(
      `cgroup controller ${controller} is absent`,
      `boot the kernel with it enabled (cgroup_enable=${controller}) or mount its hierarchy`,
    );
  for (const ability of facts.missingKernel)
    problem(`the kernel cannot: ${ability}`, "load the module or use a kernel that has it");
  for (const sign of facts.foreignNode)
    problem(
      `another Kubernetes node seems to run here: ${sign}`,
      "use it with --cluster current --registry …, or remove it first: two nodes would hand out the same cores",
    );
  return problems;
}

/** Controllers that the kubelet and pinning cannot do without, minus those mounted (v1) or enabled at the root (v2). */
export function missingControllers(cgroups: string, unifiedControllers: string): string[] {
  const wanted = ["cpu", "cpuset", "memory", "pids"];
  const v1 = cgroups
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split(/\s+/))
    .filter(([, hierarchy, , enabled]) => enabled === "1" && hierarchy !== "0")
    .map(([name]) => name);
  const present = new Set([...v1, ...unifiedControllers.trim().split(/\s+/)]);
  return wanted.filter((controller) => !present.has(controller));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function existingParent(directory: string): string {
  let at = directory;
  while (!existsSync(at)) at = at.slice(0, at.lastIndexOf("/")) || "/";
  return at;
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(existingParent(directory));
  return bavail * bsize;
}

async function kernelGaps(): Promise<string[]> {
  const filesystems = readText("/proc/filesystems");
  const gaps: string[] = [];
  if (!/\boverlay\b/.test(filesystems)) {
    const loaded = await run("modprobe", ["overlay"], { accept: [0, 1, 127] }).catch(() => ({ code: 1 }));
    if (loaded.code !== 0) gaps.push("overlay file systems");
  }
  if (await hasCommand("iptables")) {
    const nat = await run("iptables", ["-t", "nat", "-nL"], { accept: [0, 1, 2, 3, 4] });
    if (nat.code !== 0) gaps.push(`NAT with iptables (${nat.stderr.trim().split("\n")[0]})`);
  }
  return gaps;
}

async function foreignSigns(): Promise<string[]> {
  const signs: string[] = [];
  const taken = networkLinks().filter((link) => link === network.podBridge || link === network.nodeBridge);
  if (taken.length > 0) signs.push(`network links ${taken.join(", ")}`);
  if (
    existsSync("/sys/fs/cgroup/kubepods") ||
    existsSync("/sys/fs/cgroup/cpu/kubepods") ||
    existsSync("/sys/fs/cgroup/kubepods.slice")
  )
    signs.push("cgroup kubepods");
  if (
    (await hasCommand("iptables-save")) &&
    hasKubernetesChains((await run("iptables-save", [], { accept: [0, 1, 2, 3, 4] })).stdout)
  )
    signs.push("iptables chains KUBE-*");
  return signs;
}

/** Looks at this machine and names everything that keeps the source cluster from starting. */
export async function sourceProblems(layout: SourceLayout): Promise<Problem[]> {
  const isLinux = process.platform === "linux";
  const isRoot = process.getuid?.() === 0;
  if (!isLinux) return judgeSource({ ...nothingMissing, platform: process.platform });
  const ours = instanceState(layout).state;
  const ports =
    ours === "none" ? await Promise.all(hostPorts.map(async (entry) => ({ ...entry, free: await isFree(entry.port) }))) : [];
  return judgeSource({
    platform: process.platform,
    isRoot,
    cores: cpus().length,
    hasGo: (await findCommand("go")) !== undefined,
    missingBinaries: missingBinaries([
      "coredns",
      "helm",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-proxy",
      "kube-scheduler",
      "kubectl",
      "kubelet",
    ]),
    missingPackages: await missingPackages("source"),
    hasApt: await hasCommand("apt-get"),
    freeDiskBytes: Math.min(freeBytes(cacheDirectory()), freeBytes(layout.root)),
    takenPorts: ports.filter((entry) => !entry.free),
    missingControllers: missingControllers(readText("/proc/cgroups"), readText("/sys/fs/cgroup/cgroup.controllers")),
    missingKernel: isRoot ? await kernelGaps() : [],
    foreignNode: ours === "none" && isRoot ? await foreignSigns() : [],
  });
}

const nothingMissing: SourceFacts = {
  platform: "linux",
  isRoot: true,
  cores: 2,
  hasGo: true,
  missingBinaries: [],
  missingPackages: [],
  hasApt: true,
  freeDiskBytes: 64 * gibibyte,
  takenPorts: [],
  missingControllers: [],
  missingKernel: [],
  foreignNode: [],
};
