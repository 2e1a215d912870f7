// `npm run up`: from an empty machine to a pinned agent that trades on paper. See --help.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { missingBinaries } from "./cache/binaries.ts";
import { cacheDirectory } from "./cache/cache-directory.ts";
import { withLock } from "./cache/lock.ts";
import { chooseDriver, makeDriver } from "./choose-driver.ts";
import type { Driver } from "./drivers/driver.ts";
import { kindWorks } from "./drivers/kind.ts";
import { ClusterError } from "./errors.ts";
import { exitCodeOf, explain } from "./explain.ts";
import { buildImages } from "./images/build-all.ts";
import { type BuiltImage } from "./images/image-builder.ts";
import { repositoryRoot } from "./images/image-list.ts";
import { type ClusterTools, clusterTools } from "./install/kubectl.ts";
import {
  applyQuickstart,
  installChart,
  platformTables,
  waitForPlatform,
  waitForQuickstart,
  willCreate,
} from "./install/platform.ts";
import { pluginScript } from "./install/plugin-script.ts";
import { parseUpOptions, type UpOptions, upHelp } from "./options.ts";
import { assertSameDriver, readRecord, recordFile, writeRecord } from "./record.ts";
import { formatDuration, runSteps, type Screen, type Step } from "./steps.ts";

const kubeconfigFile = path.join(repositoryRoot, ".bellwether/kubeconfig");

const screen: Screen = {
  isTerminal: process.stdout.isTTY,
  columns: process.stdout.columns ?? 100,
  write: (text) => void process.stdout.write(text),
};

/** The very kubectl and helm that were used, and the plugin beside them, for a person and for the tests: `.bellwether/bin` on the PATH is enough. */
function linkTools(tools: ClusterTools): void {
  const directory = path.join(path.dirname(kubeconfigFile), "bin");
  mkdirSync(directory, { recursive: true });
  for (const name of ["kubectl", "helm"] as const) {
    const link = path.join(directory, name);
    rmSync(link, { force: true });
    symlinkSync(tools[name], link);
  }
  const plugin = path.join(directory, "kubectl-bellwether");
  rmSync(plugin, { force: true });
  writeFileSync(plugin, pluginScript(process.execPath, path.join(repositoryRoot, "plugin/src/main.ts")), { mode: 0o755 });
}

function writeKubeconfig(text: string): void {
  mkdirSync(path.dirname(kubeconfigFile), { recursive: true });
  writeFileSync(kubeconfigFile, text, { mode: 0o600 });
}

async function preflight(driver: Driver): Promise<string> {
  const problems = await driver.problems();
  if (problems.length === 0) return `cluster: ${driver.name}`;
  const list = problems.map(({ what, remedy }) => `  - ${what}\n      ${remedy}`).join("\n");
  throw new ClusterError(
    "PREFLIGHT_FAILED",
    `this machine cannot run the ${driver.name} cluster yet; nothing was changed:\n${list}`,
    { context: { problems } },
  );
}

/** What one step leaves for the next. */
interface Progress {
  images: Map<string, BuiltImage>;
  references: ReadonlyMap<string, string>;
  tools: ClusterTools | undefined;
}

function toolsOf(progress: Progress): ClusterTools {
  if (!progress.tools) throw new Error("the cluster step comes first");
  return progress.tools;
}

function clusterSteps(driver: Driver, options: UpOptions, progress: Progress): Step[] {
  const all: Step[] = [
    { title: "Checking this machine", run: () => preflight(driver) },
    { title: "Programs and packages", run: (report) => driver.prepare(report) },
    {
      title: "Building images",
      run: async (report) => {
        progress.images = await buildImages(
          driver.ownImages,
          { platform: !options.onlyCluster, cache: cacheDirectory() },
          report,
        );
        return `${progress.images.size} images`;
      },
    },
    {
      title: `Starting the ${driver.name} cluster`,
      run: async (report) => {
        const record = {
          version: 1,
          driver: driver.name,
          checkout: repositoryRoot,
          startedAt: new Date().toISOString(),
        } as const;
        const earlier = readRecord();
        writeRecord({ ...record, ...(earlier?.created ? { created: earlier.created } : {}) });
        writeKubeconfig(await driver.start(progress.images, report));
        progress.tools = await clusterTools(kubeconfigFile);
        linkTools(progress.tools);
        // A cluster of somebody else: what was not there before is written down before it is made.
        if (driver.name === "current" && !earlier) writeRecord({ ...record, created: await willCreate(progress.tools) });
      },
    },
    {
      title: "Loading images",
      run: async (report) => {
        const platform = [...progress.images.values()].filter(
          (image) => !(driver.ownImages as readonly string[]).includes(image.name),
        );
        progress.references = await driver.load(platform, report);
      },
    },
  ];
  return options.onlyCluster ? all.slice(0, -1) : all;
}

function platformSteps(driver: Driver, options: UpOptions, progress: Progress): Step[] {
  const install: Step[] = [
    {
      title: "Installing the chart",
      run: (report) => installChart(toolsOf(progress), { images: progress.references, traits: driver.traits }, report),
    },
    { title: "Waiting for the platform", run: (report) => waitForPlatform(toolsOf(progress), progress.references, report) },
  ];
  const samples: Step[] = [
    { title: "Applying the quickstart", run: () => applyQuickstart(toolsOf(progress)) },
    { title: "Waiting for the first agent", run: (report) => waitForQuickstart(toolsOf(progress), report) },
  ];
  if (options.onlyCluster) return [];
  return options.samples ? [...install, ...samples] : install;
}

async function up(options: UpOptions): Promise<void> {
  const startedAt = performance.now();
  const recorded = readRecord();
  const name = chooseDriver(options.cluster, {
    recorded: recorded?.driver,
    kindWorks: options.cluster === "auto" && (await kindWorks()),
  });
  assertSameDriver(recorded, name);
  const driver = makeDriver(name, { registry: options.registry });
  const warmth = missingBinaries(["kube-apiserver", "kubelet", "helm"]).length > 0 ? "cold" : "warm";
  const progress: Progress = { images: new Map(), references: new Map(), tools: undefined };
  await runSteps([...clusterSteps(driver, options, progress), ...platformSteps(driver, options, progress)], screen);
  const tables = options.onlyCluster ? "" : await platformTables(toolsOf(progress));
  screen.write(`\n[INFO] All required services are healthy.\n\n${tables.trimEnd()}\n\n`);
  if (driver.traits.enforcesNetworkPolicy === false)
    screen.write("[INFO] This cluster's network does not enforce NetworkPolicies; k3s does.\n");
  screen.write(
    `[INFO] Up in ${formatDuration(performance.now() - startedAt)} (${warmth}). Next: export KUBECONFIG=${kubeconfigFile}; kubectl get strat -w\n`,
  );
}

async function main(): Promise<number> {
  try {
    const options = parseUpOptions(process.argv.slice(2));
    if (options.help) {
      screen.write(upHelp);
      return 0;
    }
    const onWait = (pid: number): void =>
      screen.write(`[INFO] waiting for process ${pid}, which is bringing a cluster up or down\n`);
    await withLock(`${recordFile()}.lock`, { waitMs: 60 * 60_000, onWait }, () => up(options));
    return 0;
  } catch (error) {
    process.stderr.write(`\n${explain(error)}\n`);
    return exitCodeOf(error);
  }
}

process.exitCode = await main();
