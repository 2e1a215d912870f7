import { ClusterError } from "../errors.ts";
import { findCommand, hasCommand, run } from "../shell.ts";

/** A Debian package and a command (or file) that shows it is installed, whoever installed it. */
interface PackageNeed {
  readonly package: string;
  readonly command: string;
}

const imageNeeds: readonly PackageNeed[] = [
  { package: "buildah", command: "buildah" },
  // Ollama is built with it.
  { package: "g++", command: "g++" },
  { package: "mmdebstrap", command: "mmdebstrap" },
];

const needs: Readonly<Record<"images" | "source", readonly PackageNeed[]>> = {
  images: imageNeeds,
  source: [
    ...imageNeeds,
    { package: "catatonit", command: "catatonit" },
    { package: "conntrack", command: "conntrack" },
    { package: "containerd", command: "containerd" },
    { package: "containernetworking-plugins", command: "/usr/lib/cni/bridge" },
    { package: "etcd-server", command: "etcd" },
    { package: "iproute2", command: "ip" },
    { package: "iptables", command: "iptables" },
    { package: "nftables", command: "nft" },
    { package: "openssl", command: "openssl" },
    { package: "runc", command: "runc" },
    { package: "socat", command: "socat" },
  ],
};

/** Packages whose command is not there. */
export async function missingPackages(purpose: "images" | "source"): Promise<string[]> {
  const found = await Promise.all(needs[purpose].map((need) => findCommand(need.command)));
  return needs[purpose].filter((_, index) => found[index] === undefined).map((need) => need.package);
}

/** Services that Debian starts with the package; they would take the ports, and nobody asked for a daemon. */
const services: Readonly<Record<string, string>> = { containerd: "containerd.service", "etcd-server": "etcd.service" };

async function stopServices(installed: readonly string[]): Promise<void> {
  const units = installed.flatMap((name) => services[name] ?? []);
  if (units.length === 0 || !(await hasCommand("systemctl"))) return;
  await run("systemctl", ["disable", "--now", ...units], { accept: [0, 1, 5] });
}

/** Installs what is missing with apt-get; services that come along are stopped and disabled. */
export async function ensurePackages(purpose: "images" | "source", report: (line: string) => void): Promise<void> {
  const missing = await missingPackages(purpose);
  if (missing.length === 0) return;
  report(`apt-get install ${missing.join(" ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  try {
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], { env, timeoutMs: 600_000 });
  } catch {
    await run("apt-get", ["update", "-q"], { env, timeoutMs: 300_000 });
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], { env, timeoutMs: 600_000 });
  }
  await stopServices(missing);
  const still = await missingPackages(purpose);
  if (still.length > 0)
    throw new ClusterError("DRIVER_UNAVAILABLE", `installed, but still not found: ${still.join(", ")}`, {
      context: { packages: still },
    });
}
