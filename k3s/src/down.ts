// `npm run down`: removes what `npm run up` made on this machine. See --help.
import { rmSync } from "node:fs";
import path from "node:path";
import { withLock } from "./cache/lock.ts";
import { makeDriver } from "./choose-driver.ts";
import { exitCodeOf, explain } from "./explain.ts";
import { repositoryRoot } from "./images/image-list.ts";
import { clusterTools } from "./install/kubectl.ts";
import { uninstallPlatform } from "./install/platform.ts";
import { downHelp, type DownOptions, parseDownOptions } from "./options.ts";
import { type ClusterRecord, readRecord, recordFile, removeRecord } from "./record.ts";
import { formatDuration, runSteps, type Screen, type Step } from "./steps.ts";
import { instanceState } from "./source/instance.ts";
import { sourceLayout } from "./source/layout.ts";

const screen: Screen = {
  isTerminal: process.stdout.isTTY,
  columns: process.stdout.columns ?? 100,
  write: (text) => void process.stdout.write(text),
};

/** The record, or what the machine itself says: a source instance is recognised even when the user's record is lost. */
function findCluster(): Pick<ClusterRecord, "checkout" | "created" | "driver"> | undefined {
  const record = readRecord();
  if (record) return record;
  return instanceState(sourceLayout()).state === "none" ? undefined : { driver: "source", checkout: repositoryRoot };
}

async function down(options: DownOptions): Promise<void> {
  const startedAt = performance.now();
  const cluster = findCluster();
  if (!cluster) {
    if (!options.quietWhenAbsent) screen.write("[INFO] Nothing to remove: no cluster of ours is recorded on this machine.\n");
    return;
  }
  const driver = makeDriver(cluster.driver, {});
  const kubeconfig = path.join(cluster.checkout, ".bellwether/kubeconfig");
  const steps: Step[] = [{ title: `Removing the ${driver.name} cluster`, run: (report) => driver.stop(report) }];
  if (driver.name === "current") {
    const created = cluster.created ?? { namespaces: [], definitions: [] };
    steps.unshift({
      title: "Uninstalling Bellwether",
      run: async (report) => uninstallPlatform(await clusterTools(kubeconfig), created, report),
    });
  }
  await runSteps(steps, screen);
  rmSync(kubeconfig, { force: true });
  for (const made of ["values.yaml", "bin"])
    rmSync(path.join(cluster.checkout, ".bellwether", made), { recursive: true, force: true });
  removeRecord();
  screen.write(`[INFO] Nothing of ours is left. Down in ${formatDuration(performance.now() - startedAt)}.\n`);
}

async function main(): Promise<number> {
  try {
    const options = parseDownOptions(process.argv.slice(2));
    if (options.help) {
      screen.write(downHelp);
      return 0;
    }
    const onWait = (pid: number): void =>
      screen.write(`[INFO] waiting for process ${pid}, which is bringing a cluster up or down\n`);
    await withLock(`${recordFile()}.lock`, { waitMs: 60 * 60_000, onWait }, () => down(options));
    return 0;
  } catch (error) {
    process.stderr.write(`\n${explain(error)}\n`);
    return exitCodeOf(error);
  }
}

process.exitCode = await main();
