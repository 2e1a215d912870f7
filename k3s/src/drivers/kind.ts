import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { cacheDirectory } from "../cache/cache-directory.ts";
import { ensurePackages, missingPackages } from "../cache/packages.ts";
import type { BuiltImage } from "../images/image-builder.ts";
import { withArchive } from "../images/oci-layout.ts";
import { defaultSharedCores, kubeletDropIn } from "../kubelet/drop-in.ts";
import { hasCommand, run } from "../shell.ts";
import { inNamespace } from "./kubeconfig.ts";
import type { Driver, Problem, Report } from "./driver.ts";

const kindClusterName = "bellwether";
const dropInDirectory = "/etc/bellwether/kubelet.conf.d";

/** kind's cluster configuration: one node, the drop-in's directory mounted and named to the kubelet through kubeadm. */
export function kindConfiguration(dropInOnHost: string): string {
  const kubeadmPatch = stringify({
    kind: "InitConfiguration",
    nodeRegistration: { kubeletExtraArgs: { "config-dir": dropInDirectory } },
  });
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    name: kindClusterName,
    nodes: [
      {
        role: "control-plane",
        kubeadmConfigPatches: [kubeadmPatch],
        extraMounts: [{ hostPath: dropInOnHost, containerPath: dropInDirectory, readOnly: true }],
      },
    ],
  });
}

export const kindCommands = {
  list: ["get", "clusters"],
  create: (configuration: string) => [
    "create",
    "cluster",
    "--config",
    configuration,
    "--kubeconfig",
    "/dev/null",
    "--wait",
    "120s",
  ],
  kubeconfig: ["get", "kubeconfig", "--name", kindClusterName],
  load: (archive: string) => ["load", "image-archive", archive, "--name", kindClusterName],
  remove: ["delete", "cluster", "--name", kindClusterName, "--kubeconfig", "/dev/null"],
} as const;

/** Whether a container engine answers and kind is installed. */
export async function kindWorks(): Promise<boolean> {
  if (!(await hasCommand("kind")) || !(await hasCommand("docker"))) return false;
  const { code } = await run("docker", ["info"], { accept: [0, 1], timeoutMs: 15_000 }).catch(() => ({ code: 1 }));
  return code === 0;
}

const kind = async (args: readonly string[], report?: Report): Promise<string> =>
  (await run("kind", args, { timeoutMs: 600_000, ...(report ? { onLine: report } : {}) })).stdout;

/** A kind cluster of its own name in the container engine of this machine. */
export class KindDriver implements Driver {
  readonly name = "kind";
  readonly ownImages = [] as const;
  // kindnet, kind's network plugin, enforces policies in recent versions only: a probe has to tell.
  readonly traits = {
    kubeletRoot: "/var/lib/kubelet",
    sharedCores: defaultSharedCores(cpus().length),
    storageClass: undefined,
    enforcesNetworkPolicy: undefined,
  };

  async problems(): Promise<Problem[]> {
    const problems: Problem[] = [];
    if (!(await hasCommand("kind")))
      problems.push({ what: "kind is not installed", remedy: "install kind (https://kind.sigs.k8s.io) or use --cluster source" });
    else if (!(await kindWorks()))
      problems.push({
        what: "no container engine answers `docker info`",
        remedy: "start Docker (or Podman with its docker command) or use --cluster source",
      });
    const missing = await missingPackages("images");
    if (missing.length > 0 && process.getuid?.() !== 0) {
      problems.push({ what: `${missing.join(", ")} not installed`, remedy: `sudo apt-get install ${missing.join(" ")}` });
    }
    if (cpus().length < 2)
      problems.push({ what: "1 CPU", remedy: "at least 2 are needed: one for the system, one to pin an agent to" });
    return problems;
  }

  async prepare(report: Report): Promise<void> {
    await ensurePackages("images", report);
  }

  async start(_images: ReadonlyMap<string, BuiltImage>, report: Report): Promise<string> {
    const existing = (await kind(kindCommands.list)).split("\n");
    if (!existing.includes(kindClusterName)) {
      const totalCores = cpus().length;
      // Kept in the cache, because the node reads the mount for as long as it lives.
      const directory = path.join(cacheDirectory(), "kind-kubelet.conf.d");
      mkdirSync(directory, { recursive: true });
      writeFileSync(
        path.join(directory, "10-cpus.conf"),
        kubeletDropIn({ totalCores, sharedCores: defaultSharedCores(totalCores) }),
      );
      const temporary = mkdtempSync(path.join(tmpdir(), "bw-kind-"));
      try {
        const configuration = path.join(temporary, "kind.yaml");
        writeFileSync(configuration, kindConfiguration(directory));
        await kind(kindCommands.create(configuration), report);
      } finally {
        rmSync(temporary, { recursive: true, force: true });
      }
    }
    return inNamespace(await kind(kindCommands.kubeconfig), "bellwether");
  }

  async load(images: readonly BuiltImage[], report: Report): Promise<ReadonlyMap<string, string>> {
    const [first] = images;
    if (first) {
      report(`loading ${images.map((image) => image.name).join(", ")}`);
      const references = images.map((image) => image.reference);
      await withArchive(first.layout, references, (archive) => kind(kindCommands.load(archive)));
    }
    return new Map(images.map((image) => [image.name, image.reference]));
  }

  async stop(report: Report): Promise<void> {
    report("deleting the kind cluster");
    await kind(kindCommands.remove);
  }
}
