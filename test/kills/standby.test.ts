import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply, get, kubectl, list, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { killPod } from "../cluster/processes.ts";
import { strategy } from "../e2e/manifests.ts";

const deployment = "bellwether-operator";
const operators = ["-l", "app.kubernetes.io/component=operator"];

/** The pod whose process holds the lease: an identity is the pod's name and a random part. */
async function leader(): Promise<string | undefined> {
  const holder = (await get("lease", "bellwether-operator"))?.spec?.holderIdentity as string | undefined;
  return holder?.split("_")[0] || undefined;
}

/** Two operators run and one of them leads. */
async function bothReady(): Promise<string | false> {
  const pods = await list("pods", operators);
  const ready = pods.filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.containerStatuses?.[0]?.ready);
  const leads = await leader();
  return ready.length === 2 && ready.some(({ metadata }) => metadata.name === leads) && leads !== undefined && leads;
}

describe.skipIf(skipReason)(`a second operator${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  beforeAll(async () => {
    await kubectl(["scale", "deployment", deployment, "--replicas=2"]);
  });
  afterAll(async () => {
    await kubectl(["delete", "strategy", "after-takeover", "--ignore-not-found"], { timeoutMs: 90_000 });
    await kubectl(["scale", "deployment", deployment, "--replicas=1"]);
  });

  test("takes over when the leader's pod is killed, and reconciles what is applied then", async () => {
    const first = await waitFor(bothReady, { timeoutMs: 120_000, what: "two operators, one of them leading" });
    const standby = (await list("pods", operators)).find(({ metadata }) => metadata.name !== first)?.metadata.name;
    const uid = (await get("pod", first))?.metadata.uid ?? "none";
    const killedAt = performance.now();
    killPod(uid);
    await kubectl(["delete", "pod", first, "--force", "--grace-period=0"], { timeoutMs: 60_000 });
    await apply(strategy({ name: "after-takeover", policy: "quickstart", extra: "  suspend: true" }));
    await waitFor(async () => (await get("strategy", "after-takeover"))?.status?.phase === "Paused", {
      timeoutMs: 120_000,
      what: "a strategy reconciled by the second operator",
    });
    console.log(`the second operator had taken over ${((performance.now() - killedAt) / 1000).toFixed(1)} s after the kill`);
    expect(await leader()).toBe(standby);
  });
});
