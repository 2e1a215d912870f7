import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ClusterError } from "../errors.ts";
import { findCommand, run } from "../shell.ts";
import { testedWith, versions } from "../versions.ts";
import { cacheDirectory, kubernetesModule } from "./cache-directory.ts";
import { withLock } from "./lock.ts";

/** Go programs that are built into the cache. */
export type BuiltBinary =
  | "coredns"
  | "helm"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-proxy"
  | "kube-scheduler"
  | "kubeconform"
  | "kubectl"
  | "kubelet"
  | "ollama"
  | "versitygw";

/** `etcd` comes from the Debian package etcd-server: see `ensurePackages` in packages.ts. */
export type BinaryName = BuiltBinary | "etcd";

/** One `go build` or `go install`: which programs it makes and how. All but Ollama, whose arithmetic is C++, are static: they must run in scratch images, too. */
export interface GoBuild {
  readonly names: readonly BuiltBinary[];
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The module graph is fixed by our go.mod (false) or by the module's own (true: `go install module@version`). */
  readonly install: boolean;
  /** Needs a C++ compiler, and its result the libraries that `ldd` names. */
  readonly cgo: boolean;
}

const modules: Readonly<Record<string, string>> = {
  coredns: `github.com/coredns/coredns@v${versions.coredns}`,
  helm: `helm.sh/helm/v4/cmd/helm@v${versions.helm}`,
  kubeconform: `github.com/yannh/kubeconform/cmd/kubeconform@v${versions.kubeconform}`,
  ollama: `github.com/ollama/ollama@v${versions.ollama}`,
  versitygw: `github.com/versity/versitygw/cmd/versitygw@v${testedWith.versitygw}`,
};

/** What the program's file in the cache is called. */
function fileOf(name: BuiltBinary): string {
  return name in testedWith ? `${name}-${testedWith[name as keyof typeof testedWith]}` : name;
}

/** Kubernetes reads its own version from these variables; unstamped it calls itself v0.0.0-master. */
function kubernetesLinkFlags(): string {
  const [major, minor] = versions.kubernetes.split(".");
  const stamp = [
    ["gitVersion", `v${versions.kubernetes}`],
    ["gitMajor", major],
    ["gitMinor", minor],
    ["gitTreeState", "clean"],
  ];
  const packages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];
  return ["-s -w", ...packages.flatMap((at) => stamp.map(([name, value]) => `-X ${at}.${name}=${value}`))].join(" ");
}

/** The Go builds that make `names`: one for everything of Kubernetes (shared packages compile once), one for each other module. */
export function goBuilds(names: readonly BuiltBinary[], outputDirectory: string): GoBuild[] {
  const kubernetes = names.filter((name) => !(name in modules));
  const builds: GoBuild[] = names
    .filter((name) => name in modules)
    .map((name) => ({
      names: [name],
      install: true,
      cgo: name === "ollama",
      args: ["install", "-v", "-trimpath", "-ldflags", "-s -w", modules[name] ?? ""],
    }));
  if (kubernetes.length === 0) return builds;
  const packages = kubernetes.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  const args = [
    "build",
    "-v",
    "-mod=readonly",
    "-trimpath",
    "-ldflags",
    kubernetesLinkFlags(),
    "-o",
    `${outputDirectory}/`,
    ...packages,
  ];
  return [{ names: kubernetes, install: false, cgo: false, args, cwd: kubernetesModule }, ...builds];
}

async function runBuild(build: GoBuild, outputDirectory: string, report: (line: string) => void): Promise<void> {
  const go = await findCommand("go");
  if (!go) {
    throw new ClusterError(
      "BINARY_BUILD_FAILED",
      `Go is needed to build ${build.names.join(", ")}: install Go 1.24 or later (https://go.dev/dl) and put it on the PATH`,
    );
  }
  let packages = 0;
  const onLine = (line: string): void => {
    if (/^go: (downloading|error)/.test(line)) report(line);
    else if (line.includes("/") || /^[a-z]+$/.test(line)) report(`compiled ${++packages} packages, last ${line.trim()}`);
  };
  // GOFLAGS of the user's environment would change the build (and -mod=vendor would break it); GOBIN is where `go install` writes.
  const env = {
    CGO_ENABLED: build.cgo ? "1" : "0",
    GOFLAGS: "-buildvcs=false",
    GOBIN: outputDirectory,
    GOTOOLCHAIN: "auto",
    GOWORK: "off",
  };
  try {
    await run(go, build.args, { ...(build.cwd ? { cwd: build.cwd } : {}), env, onLine });
  } catch (cause) {
    throw new ClusterError("BINARY_BUILD_FAILED", `building ${build.names.join(", ")} failed: ${(cause as Error).message}`, {
      context: { names: build.names },
      cause,
    });
  }
}

export interface EnsureOptions {
  /** Told what is being built, many times a second at worst: throttle before printing. */
  readonly report?: (line: string) => void;
  /** Default: `cacheDirectory()`. */
  readonly directory?: string;
}

async function buildMissing(names: readonly BuiltBinary[], binDirectory: string, report: (line: string) => void): Promise<void> {
  const missing = names.filter((name) => !existsSync(path.join(binDirectory, fileOf(name))));
  if (missing.length === 0) return;
  // Built beside the cache and renamed in: an interrupted build leaves a directory nobody looks into, never half a binary. The lock
  // is ours, so what stands there under such a name is of a build that was killed.
  const cache = path.dirname(binDirectory);
  for (const name of readdirSync(cache))
    if (name.startsWith("building-")) rmSync(path.join(cache, name), { recursive: true, force: true });
  const building = mkdtempSync(path.join(cache, "building-"));
  try {
    for (const build of goBuilds(missing, building)) {
      report(`building ${build.names.join(", ")}`);
      await runBuild(build, building, report);
      for (const name of build.names) renameSync(path.join(building, name), path.join(binDirectory, fileOf(name)));
    }
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/**
 * Makes sure that the named programs are in the cache, building what is missing (cold: about ten minutes for all of them on
 * two cores), and returns their absolute paths. Safe to call from several processes at once: one builds, the others wait.
 *
 * @throws ClusterError BINARY_BUILD_FAILED when Go is missing or a build fails, or when `etcd` is wanted and not installed
 */
export async function ensureBinaries<Name extends BinaryName>(
  names: readonly Name[],
  options: EnsureOptions = {},
): Promise<Record<Name, string>> {
  const report = options.report ?? (() => undefined);
  const directory = options.directory ?? cacheDirectory();
  const binDirectory = path.join(directory, "bin");
  mkdirSync(binDirectory, { recursive: true });
  const built = names.filter((name): name is Name & BuiltBinary => name !== "etcd");
  if (built.some((name) => !existsSync(path.join(binDirectory, fileOf(name))))) {
    const lock = path.join(directory, "build.lock");
    const onWait = (pid: number): void => report(`waiting for process ${pid}, which is building into the same cache`);
    await withLock(lock, { waitMs: 45 * 60_000, onWait }, () => buildMissing(built, binDirectory, report));
  }
  const paths = {} as Record<BinaryName, string>;
  for (const name of built) paths[name] = path.join(binDirectory, fileOf(name));
  if ((names as readonly BinaryName[]).includes("etcd")) {
    const etcd = await findCommand("etcd");
    if (!etcd)
      throw new ClusterError("BINARY_BUILD_FAILED", "etcd is not installed: `apt-get install etcd-server` (Debian, Ubuntu)");
    paths.etcd = etcd;
  }
  return paths;
}

/** Those of `names` that are not in the cache yet: what a run would have to build. */
export function missingBinaries(names: readonly BuiltBinary[], directory: string = cacheDirectory()): BuiltBinary[] {
  return names.filter((name) => !existsSync(path.join(directory, "bin", fileOf(name))));
}
