import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unmountBelow } from "../mounts.ts";
import { type ProcessIdentity, processStartTime } from "../process-identity.ts";
import { run } from "../shell.ts";
import { emptyTables, tableNames, withoutKubernetesChains } from "./iptables.ts";
import { network, type SourceLayout } from "./layout.ts";
import { type MachineBefore, networkLinks, restoreSettings } from "./machine.ts";
import { endProcess, processRecords, stopComponent } from "./supervisor.ts";

/** Whether a command line is that of a containerd shim of the containerd behind `socket`. Arguments are separated by NUL as in /proc. */
export function isShimOf(commandLine: string, socket: string): boolean {
  const args = commandLine.split("\0");
  return path.basename(args[0] ?? "").startsWith("containerd-shim") && args[args.indexOf("-address") + 1] === socket;
}

function processIds(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

const identityOf = (pid: number): ProcessIdentity[] => {
  const startTime = processStartTime(pid);
  return startTime === undefined ? [] : [{ pid, startTime }];
};

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // the process has ended meanwhile
  }
}

/** Shims of our containerd, found by the socket they were started for: they outlive containerd, and nobody else uses that path. */
function shims(layout: SourceLayout): ProcessIdentity[] {
  return processIds()
    .filter((pid) => isShimOf(readText(`/proc/${pid}/cmdline`), layout.containerdSocket))
    .flatMap(identityOf);
}

/** The cgroups of pods that came with this instance. */
function podCgroups(before: MachineBefore): string[] {
  const hierarchies = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => path.join("/sys/fs/cgroup", name))];
  return hierarchies.map((at) => path.join(at, "kubepods")).filter((at) => existsSync(at) && !before.cgroups.includes(at));
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [path.join(directory, entry.name)] : [],
    );
  } catch {
    return [];
  }
}

/** The cgroup and all below it, deepest first. */
function cgroupTree(directory: string): string[] {
  return [...subdirectories(directory).flatMap(cgroupTree), directory];
}

function processesIn(cgroup: string): ProcessIdentity[] {
  return cgroupTree(cgroup).flatMap((directory) =>
    readText(path.join(directory, "cgroup.procs")).split("\n").filter(Boolean).map(Number).flatMap(identityOf),
  );
}

/** Ends whatever runs in the pods' cgroups and the shims around it. Repeated, because a shim may just be starting its container. */
async function endContainers(layout: SourceLayout, before: MachineBefore): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const left = [...podCgroups(before).flatMap(processesIn), ...shims(layout)];
    if (left.length === 0) return;
    await Promise.all(left.map((identity) => endProcess(identity, round === 0 ? 2_000 : 0)));
  }
}

function isAttachedTo(link: string, bridge: string): boolean {
  try {
    return path.basename(readlinkSync(`/sys/class/net/${link}/master`)) === bridge;
  } catch {
    return false;
  }
}

async function removeLinks(before: MachineBefore): Promise<void> {
  const ours = [network.podBridge, network.nodeBridge].filter((name) => !before.links.includes(name));
  const pairs = networkLinks().filter(
    (link) => link.startsWith("veth") && !before.links.includes(link) && isAttachedTo(link, network.podBridge),
  );
  for (const link of [...pairs, ...ours]) {
    // A veth goes with its other end, so it may be gone between listing and deleting.
    if (networkLinks().includes(link)) await run("ip", ["link", "delete", link], { accept: [0, 1, 2] });
  }
}

const families = { iptables: "ip", ip6tables: "ip6" } as const;

/** Takes our chains out, then the tables that were made for them; rules that others have added meanwhile stay. */
async function cleanRules(command: keyof typeof families, before: string): Promise<void> {
  const saved = (await run(`${command}-save`, [], { accept: [0, 1, 2, 3] })).stdout;
  if (saved === "") return;
  await run(`${command}-restore`, [], { input: withoutKubernetesChains(saved) });
  const known = tableNames(before);
  for (const table of emptyTables((await run(`${command}-save`, [])).stdout)) {
    // Only nft can remove a table; without it an empty one stays, which does nothing.
    if (!known.includes(table)) await run("nft", ["delete", "table", families[command], table], { accept: [0, 1] });
  }
}

async function removeCgroups(before: MachineBefore): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const left = podCgroups(before).flatMap(cgroupTree);
    if (left.length === 0) return;
    for (const directory of left) {
      try {
        rmdirSync(directory);
      } catch (error) {
        // EBUSY until the kernel has let go of the last process; the next round finds it.
        if (!["EBUSY", "ENOENT", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
      }
    }
    await sleep(100);
  }
}

/** What a teardown that was interrupted at its very end has left: the directory, without the record in it. */
export async function removeRemains(layout: SourceLayout): Promise<void> {
  if (!existsSync(layout.root)) return;
  await unmountBelow(layout.root);
  rmSync(layout.root, { recursive: true, force: true });
}

function removePaths(layout: SourceLayout, before: MachineBefore): void {
  const logLinks = "/var/log/containers";
  for (const name of existsSync(logLinks) ? readdirSync(logLinks) : []) {
    if (readlinkSync(path.join(logLinks, name)).startsWith(layout.logs)) rmSync(path.join(logLinks, name), { force: true });
  }
  for (const file of ["/run/containerd", "/var/lib/cni", logLinks, "/usr/libexec/kubernetes", "/run/netns"]) {
    if (existsSync(file) && !before.paths.includes(file)) rmSync(file, { recursive: true, force: true });
  }
  const results = "/var/lib/cni/results";
  for (const name of existsSync(results) ? readdirSync(results) : []) {
    if (name.startsWith(`${network.cniName}-`)) rmSync(path.join(results, name), { force: true });
  }
  rmSync(layout.root, { recursive: true, force: true });
}

/** The kubelet first, or it starts again what is being stopped; containerd and etcd last, because the others talk to them. */
const afterKubelet = ["volumes", "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver"];
/** Nothing is kept, so nobody waits for watchers to leave; the kubelet gets longer, it may be in the middle of a mount. */
const graceMs = 2_000;

/**
 * Takes everything of the source cluster off the machine, whatever state it is in (running, half started, crashed), and
 * restores what `before` recorded. Can be interrupted and run again at any point.
 */
export async function teardown(layout: SourceLayout, before: MachineBefore, report: (line: string) => void): Promise<void> {
  report("stopping kubelet and control plane");
  // Before all others, or it starts again what is being stopped.
  await stopComponent(layout, "watchdog", graceMs);
  await stopComponent(layout, "kubelet", 5_000);
  await Promise.all(afterKubelet.map((name) => stopComponent(layout, name, graceMs)));
  report("ending containers");
  await endContainers(layout, before);
  await stopComponent(layout, "containerd");
  await endContainers(layout, before);
  await stopComponent(layout, "etcd");
  for (const record of processRecords(layout)) await stopComponent(layout, record.name);
  report("removing mounts, links, rules and cgroups");
  await unmountBelow(layout.root);
  await removeLinks(before);
  await cleanRules("iptables", before.iptables);
  await cleanRules("ip6tables", before.ip6tables);
  await removeCgroups(before);
  restoreSettings(before);
  removePaths(layout, before);
}
