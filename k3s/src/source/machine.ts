import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "../shell.ts";
import { normalisedRules } from "./iptables.ts";
import { network } from "./layout.ts";

/** Kernel settings that kubelet, kube-proxy or CNI plugins change; teardown puts the recorded values back. */
const touchedSettings = [
  "kernel.keys.root_maxbytes",
  "kernel.keys.root_maxkeys",
  "kernel.panic",
  "kernel.panic_on_oops",
  "net.ipv4.conf.all.route_localnet",
  "net.ipv4.ip_forward",
  "net.ipv6.conf.all.forwarding",
  "vm.overcommit_memory",
  "vm.panic_on_oom",
] as const;

const settingFile = (name: string): string => `/proc/sys/${name.replaceAll(".", "/")}`;

/** Paths outside the state directory that the node's programs make; removed only when they were not there before. */
const touchedPaths = ["/run/containerd", "/var/lib/cni", "/var/log/containers", "/usr/libexec/kubernetes", "/run/netns"] as const;

/** How the machine was before the first start: teardown restores this and asks for nothing more. */
export interface MachineBefore {
  readonly settings: Readonly<Record<string, string>>;
  readonly paths: readonly string[];
  readonly links: readonly string[];
  readonly cgroups: readonly string[];
  /** Mount points. */
  readonly mounts: readonly string[];
  readonly iptables: string;
  readonly ip6tables: string;
}

/** Directories of the first two levels below every cgroup hierarchy: where pods would appear. */
function cgroupDirectories(root = "/sys/fs/cgroup"): string[] {
  const below = (directory: string): string[] => {
    try {
      return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [path.join(directory, entry.name)] : [],
      );
    } catch {
      return []; // a cgroup may vanish while it is listed
    }
  };
  const first = below(root);
  return [...first, ...first.flatMap(below)].sort();
}

/** Mount points of this machine. */
function mountPoints(): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").sort();
}

/** Names of all network links. */
export function networkLinks(): string[] {
  return readdirSync("/sys/class/net").sort();
}

/** Reads what `up` is about to change. */
export async function readMachine(): Promise<MachineBefore> {
  const settings: Record<string, string> = {};
  for (const name of touchedSettings) {
    if (existsSync(settingFile(name))) settings[name] = readFileSync(settingFile(name), "utf8").trim();
  }
  return {
    settings,
    paths: touchedPaths.filter((file) => existsSync(file)),
    links: networkLinks(),
    cgroups: cgroupDirectories(),
    mounts: mountPoints(),
    iptables: (await run("iptables-save", [])).stdout,
    ip6tables: (await run("ip6tables-save", [], { accept: [0, 1, 2, 3] })).stdout,
  };
}

/**
 * What of `before` is not as it was, one line each; empty when the machine is as it was found. Counters and the order of rules'
 * tables do not count; a cgroup or mount that something else has made meanwhile does, so compare on a quiet machine.
 */
export function machineDifferences(before: MachineBefore, after: MachineBefore): string[] {
  const lists = (["paths", "links", "cgroups", "mounts"] as const).flatMap((what) => [
    ...after[what].filter((entry) => !before[what].includes(entry)).map((entry) => `${what}: ${entry} is left`),
    ...before[what].filter((entry) => !after[what].includes(entry)).map((entry) => `${what}: ${entry} is gone`),
  ]);
  const settings = Object.entries(before.settings)
    .filter(([name, value]) => after.settings[name] !== value)
    .map(([name, value]) => `settings: ${name} was ${value}, is ${after.settings[name]}`);
  const rules = (["iptables", "ip6tables"] as const).flatMap((command) =>
    normalisedRules(before[command]) === normalisedRules(after[command])
      ? []
      : [`${command}: ${normalisedRules(after[command])}`],
  );
  return [...lists, ...settings, ...rules];
}

/** Puts kernel settings back; one that a container runtime of somebody else has changed since is set back, too, and that is said in the docs. */
export function restoreSettings(before: MachineBefore): void {
  for (const [name, value] of Object.entries(before.settings)) {
    if (readFileSync(settingFile(name), "utf8").trim() !== value) writeFileSync(settingFile(name), value);
  }
}

/** Gives the node an address that exists on no wire: a bridge, because not every kernel has the `dummy` device. */
export async function ensureNodeAddress(): Promise<void> {
  if (!networkLinks().includes(network.nodeBridge)) await run("ip", ["link", "add", network.nodeBridge, "type", "bridge"]);
  await run("ip", ["addr", "replace", `${network.nodeIp}/32`, "dev", network.nodeBridge]);
  await run("ip", ["link", "set", network.nodeBridge, "up"]);
  // Until kube-proxy has a Service's rules its address is an address like any other: without a route of its own such a connection would leave
  // the machine, and whatever proxy answers out there would be taken for the Service for as long as it keeps the connection alive.
  await run("ip", ["route", "replace", network.serviceCidr, "dev", network.nodeBridge]);
}

/** Name servers in a resolv.conf that a pod can reach: a loopback address would be the pod itself. */
export function reachableNameServers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map((match) => match[1] ?? "")
    .filter((server) => server !== "::1" && !server.startsWith("127."));
}

/** Whether this process may lower OOM scores: CAP_SYS_RESOURCE is bit 24 of the effective set. */
export function mayLowerOomScore(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}
