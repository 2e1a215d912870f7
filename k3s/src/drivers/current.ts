import { cpus } from "node:os";
import { ensurePackages, missingPackages } from "../cache/packages.ts";
import { ClusterError } from "../errors.ts";
import type { BuiltImage } from "../images/image-builder.ts";
import { defaultSharedCores } from "../kubelet/drop-in.ts";
import { hasCommand, run } from "../shell.ts";
import { inNamespace } from "./kubeconfig.ts";
import type { Driver, Problem, Report } from "./driver.ts";

/** Where an image goes in a registry: `<registry>/<name>:<content tag>`. */
export function registryReference(registry: string, image: Pick<BuiltImage, "name" | "reference">): string {
  const tag = image.reference.slice(image.reference.lastIndexOf(":") + 1);
  return `${registry.replace(/\/+$/, "")}/${image.name}:${tag}`;
}

/** Arguments for pushing an image of the layout with buildah, which needs no daemon. */
export function pushArguments(image: Pick<BuiltImage, "layout" | "reference">, target: string): string[][] {
  return [
    ["pull", "--quiet", `oci:${image.layout}:${image.reference}`],
    ["push", "--quiet", image.reference, `docker://${target}`],
  ];
}

/** The cluster of the kubectl context at hand. Nothing of it is changed but what the chart installs. */
export class CurrentDriver implements Driver {
  readonly name = "current";
  readonly ownImages = [] as const;
  readonly traits = {
    kubeletRoot: "/var/lib/kubelet",
    sharedCores: defaultSharedCores(cpus().length),
    storageClass: undefined,
    enforcesNetworkPolicy: undefined,
  };
  readonly #registry: string | undefined;

  constructor(options: { registry?: string | undefined }) {
    this.#registry = options.registry;
  }

  async problems(): Promise<Problem[]> {
    const problems: Problem[] = [];
    if (!(await hasCommand("kubectl")))
      return [{ what: "kubectl is not installed", remedy: "install it and choose the context of your cluster" }];
    const reach = await run("kubectl", ["--request-timeout=10s", "version"], { accept: [0, 1] });
    if (reach.code !== 0)
      problems.push({
        what: `the current context's cluster does not answer: ${reach.stderr.trim().split("\n").at(-1)}`,
        remedy: "check `kubectl config current-context` and the cluster",
      });
    const missing = await missingPackages("images");
    if (missing.length > 0 && process.getuid?.() !== 0)
      problems.push({ what: `${missing.join(", ")} not installed`, remedy: `sudo apt-get install ${missing.join(" ")}` });
    return problems;
  }

  async prepare(report: Report): Promise<void> {
    await ensurePackages("images", report);
  }

  async start(): Promise<string> {
    const { stdout } = await run("kubectl", ["config", "view", "--minify", "--flatten", "--output", "yaml"]);
    return inNamespace(stdout, "bellwether");
  }

  async load(images: readonly BuiltImage[], report: Report): Promise<ReadonlyMap<string, string>> {
    const registry = this.#registry;
    if (!registry) throw new ClusterError("USAGE", "--cluster current needs --registry");
    const references = new Map<string, string>();
    for (const image of images) {
      const target = registryReference(registry, image);
      report(`pushing ${target}`);
      for (const args of pushArguments(image, target))
        await run("buildah", ["--storage-driver", "vfs", ...args], { timeoutMs: 600_000 });
      references.set(image.name, target);
    }
    return references;
  }

  /** Nothing of the machine was changed; the chart is uninstalled by `down` itself. */
  stop(): Promise<void> {
    return Promise.resolve();
  }
}
