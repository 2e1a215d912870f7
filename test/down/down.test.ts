import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import {
  instanceState,
  machineDifferences,
  type MachineBefore,
  processRecords,
  readInstance,
  readMachine,
  sourceLayout,
} from "@bellwether/k3s/source";
import { kubeconfigFile, kubectl, list, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";

const execute = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const layout = sourceLayout();
const node = (script: string, ...args: string[]): Promise<unknown> =>
  execute(process.execPath, ["--disable-warning=ExperimentalWarning", path.join(root, script), ...args], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });

/** Command lines of processes that name the state directory: whatever of ours still runs. */
function processesOfOurs(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // ended meanwhile
      }
    })
    .filter((command) => command.includes(layout.root));
}

async function expectNothingLeft(before: MachineBefore): Promise<void> {
  expect(processesOfOurs()).toEqual([]);
  expect(machineDifferences(before, await readMachine())).toEqual([]);
  expect(existsSync(layout.root)).toBe(false);
  // Images are built before the machine is recorded: what their builder has mounted would be in both.
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toMatch(/\/bellwether\/[0-9a-f]{12}\/buildah-/);
  expect(existsSync(path.join(root, ".bellwether/kubeconfig"))).toBe(false);
}

/** As after the power button: everything that was started is gone at once, containers stay behind without a parent. */
function killControlPlane(): void {
  // The watchdog first: it would be quick to start the others again.
  const records = processRecords(layout).toSorted((a, b) => Number(b.name === "watchdog") - Number(a.name === "watchdog"));
  for (const { pid } of records) process.kill(pid, "SIGKILL");
}

describe.skipIf(skipReason)(`down leaves nothing${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  let before: MachineBefore;

  beforeAll(async () => {
    if (instanceState(layout).state === "none") await node("k3s/src/up.ts", "--cluster", "source");
    const record = readInstance(layout);
    if (!record) throw new Error("up has recorded no instance");
    before = record.before;
  }, 1_200_000);

  test("an uninstall before it cancels and deletes what trades, leaves the CRDs, and nothing hangs", async () => {
    const before = await list("strategies.bellwether.dev", ["-A"]);
    expect(before.length).toBeGreaterThan(0);
    const startedAt = performance.now();
    const helm = path.join(root, ".bellwether/bin/helm");
    await execute(helm, ["--kubeconfig", kubeconfigFile, "uninstall", "bellwether", "-n", "bellwether", "--timeout", "4m"]);
    console.log(`helm uninstall took ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    for (const kind of ["strategies", "riskpolicies"]) expect(await list(`${kind}.bellwether.dev`, ["-A"]), kind).toEqual([]);
    const crds = await list("customresourcedefinitions");
    expect(crds.map(({ metadata }) => metadata.name).filter((name) => name.endsWith(".bellwether.dev"))).toHaveLength(4);
    expect(crds.filter(({ metadata }) => metadata.deletionTimestamp !== undefined)).toEqual([]);
    await waitFor(async () => (await kubectl(["get", "pods", "-n", "bellwether", "-o", "name"])).trim() === "", {
      timeoutMs: 120_000,
      what: "no pod of the platform",
    });
  });

  test("after a cluster that worked: processes, mounts, links, rules, cgroups and settings are as before up", async () => {
    await node("k3s/src/down.ts");
    await expectNothingLeft(before);
  });

  test("a second time: there is nothing to do, and that is no error", async () => {
    await node("k3s/src/down.ts");
    await expectNothingLeft(before);
  });

  test("after a crash of every process of ours, containers and mounts still there", async () => {
    await node("k3s/src/up.ts", "--cluster", "source", "--only-cluster");
    killControlPlane();
    expect(processesOfOurs().some((command) => command.includes("containerd-shim"))).toBe(true);
    await node("k3s/src/down.ts");
    await expectNothingLeft(before);
  });

  test("the next up recognises a stale instance, clears it and starts anew; down then leaves nothing", async () => {
    await node("k3s/src/up.ts", "--cluster", "source", "--only-cluster");
    const stale = processRecords(layout).map(({ pid }) => pid);
    killControlPlane();
    await expect.poll(() => instanceState(layout).state).toBe("stale");
    await node("k3s/src/up.ts", "--cluster", "source", "--only-cluster");
    expect(instanceState(layout).state).toBe("running");
    expect(
      processRecords(layout)
        .map(({ pid }) => pid)
        .filter((pid) => stale.includes(pid)),
    ).toEqual([]);
    await node("k3s/src/down.ts");
    await expectNothingLeft(before);
  });
});
