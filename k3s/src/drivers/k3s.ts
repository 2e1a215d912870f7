import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { ensurePackages, missingPackages } from "../cache/packages.ts";
import type { BuiltImage } from "../images/image-builder.ts";
import { withArchive } from "../images/oci-layout.ts";
import { defaultSharedCores, kubeletDropIn } from "../kubelet/drop-in.ts";
import { hasCommand, run } from "../shell.ts";
import { inNamespace } from "./kubeconfig.ts";
import type { Driver, Problem, Report } from "./driver.ts";

const k3sBinary = "/usr/local/bin/k3s";
const uninstaller = "/usr/local/bin/k3s-uninstall.sh";
const configurationDirectory = "/etc/rancher/k3s";
const dropInDirectory = "/etc/bellwether/kubelet.conf.d";

/** Files written before k3s is installed: its configuration and the kubelet drop-in that pins. */
export function k3sFiles(dropIn: string): ReadonlyMap<string, string> {
  const configuration = stringify({
    "write-kubeconfig-mode": "0600",
    disable: ["traefik", "servicelb", "metrics-server"],
    "kubelet-arg": [`config-dir=${dropInDirectory}`],
  });
  return new Map([
    [path.join(configurationDirectory, "config.yaml"), configuration],
    [path.join(dropInDirectory, "10-cpus.conf"), dropIn],
  ]);
}

/** The official installation script, fetched and run in two steps, so that a broken download runs nothing. */
export const installCommands = {
  fetch: (target: string) => ["--fail", "--silent", "--show-error", "--location", "--output", target, "https://get.k3s.io"],
  version: "v1.34.4+k3s1",
} as const;

/** k3s as a service of this machine: what a droplet runs. */
export class K3sDriver implements Driver {
  readonly name = "k3s";
  readonly ownImages = [] as const;
  readonly traits = {
    kubeletRoot: "/var/lib/kubelet",
    sharedCores: defaultSharedCores(cpus().length),
    storageClass: "local-path",
    enforcesNetworkPolicy: true,
  };

  async problems(): Promise<Problem[]> {
    const problems: Problem[] = [];
    if (process.platform !== "linux")
      problems.push({ what: `k3s runs on Linux, this is ${process.platform}`, remedy: "use --cluster kind" });
    if (process.getuid?.() !== 0) problems.push({ what: "not root", remedy: "run it with sudo: k3s is installed as a service" });
    if (!(await hasCommand("systemctl")))
      problems.push({ what: "no systemd", remedy: "k3s' installer needs it: use --cluster source" });
    if (!(await hasCommand("curl"))) problems.push({ what: "curl is not installed", remedy: "apt-get install curl" });
    if (cpus().length < 2)
      problems.push({ what: "1 CPU", remedy: "at least 2 are needed: one for the system, one to pin an agent to" });
    const missing = await missingPackages("images");
    if (missing.length > 0 && !(await hasCommand("apt-get")))
      problems.push({ what: `${missing.join(", ")} not installed`, remedy: "install them with this machine's package manager" });
    if (existsSync(k3sBinary) && !existsSync(path.join(dropInDirectory, "10-cpus.conf"))) {
      problems.push({
        what: "a k3s that this tool did not install is here",
        remedy: "use it with --cluster current --registry …; pinning then needs its own kubelet drop-in",
      });
    }
    return problems;
  }

  async prepare(report: Report): Promise<void> {
    await ensurePackages("images", report);
  }

  async start(_images: ReadonlyMap<string, BuiltImage>, report: Report): Promise<string> {
    const totalCores = cpus().length;
    const dropIn = kubeletDropIn({ totalCores, sharedCores: defaultSharedCores(totalCores) });
    for (const [file, text] of k3sFiles(dropIn)) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    if (!existsSync(k3sBinary)) {
      const script = path.join(dropInDirectory, "install-k3s.sh");
      report("fetching the k3s installer");
      await run("curl", installCommands.fetch(script));
      report(`installing k3s ${installCommands.version}`);
      await run("sh", [script], { env: { INSTALL_K3S_VERSION: installCommands.version }, timeoutMs: 600_000, onLine: report });
    }
    await run(k3sBinary, ["kubectl", "wait", "node", "--all", "--for=condition=Ready", "--timeout=180s"], { timeoutMs: 200_000 });
    return inNamespace(readFileSync(path.join(configurationDirectory, "k3s.yaml"), "utf8"), "bellwether");
  }

  async load(images: readonly BuiltImage[], report: Report): Promise<ReadonlyMap<string, string>> {
    const ctr = (args: readonly string[]): Promise<unknown> =>
      run(k3sBinary, ["ctr", "--namespace", "k8s.io", "images", ...args], { timeoutMs: 300_000 });
    const [first] = images;
    if (first) {
      report(`importing ${images.map((image) => image.name).join(", ")}`);
      const references = images.map((image) => image.reference);
      await withArchive(first.layout, references, (archive) => ctr(["import", archive]));
    }
    for (const { reference } of images) await ctr(["label", reference, "io.cri-containerd.pinned=pinned"]);
    return new Map(images.map((image) => [image.name, image.reference]));
  }

  async stop(report: Report): Promise<void> {
    if (existsSync(uninstaller)) {
      report("uninstalling k3s");
      await run("sh", [uninstaller], { timeoutMs: 300_000, onLine: report });
    }
    rmSync(dropInDirectory, { recursive: true, force: true });
  }
}
