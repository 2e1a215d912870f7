import { afterAll, describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit";
import { skipReason } from "../cluster/prerequisites.ts";
import { violations } from "../cluster/invariants.ts";
import { kubectl, list, waitFor } from "../cluster/kubectl.ts";
import { killPod } from "../cluster/processes.ts";
import { decisions, recovered } from "../cluster/recovery.ts";

const policy = "quickstart";
const strategy = "quickstart-momentum";
const kills = Number(process.env["BELLWETHER_KILLS"] ?? "5");
const seed = Number(process.env["BELLWETHER_KILLS_SEED"] ?? "1");

const victims = ["operator", "agent", "risk", "broker", "postgres"] as const;
type Victim = (typeof victims)[number];

const labelOf = (victim: Victim): string => `app.kubernetes.io/component=${victim}`;

/** kill -9 of every process of the component's pod; every second time the pod goes, too, as with its node. */
async function kill(victim: Victim, withPod: boolean): Promise<void> {
  const pod = (await list("pods", ["-l", labelOf(victim)])).find(
    (candidate) => candidate.metadata.deletionTimestamp === undefined,
  );
  if (!pod) throw new Error(`no pod of ${victim}`);
  killPod(pod.metadata.uid);
  if (withPod) await kubectl(["delete", "pod", pod.metadata.name, "--force", "--grace-period=0"], { timeoutMs: 60_000 });
}

describe.skipIf(skipReason)(`${kills} seeded kills (seed ${seed})${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  const random = seededRandom(seed);
  afterAll(() => console.log(`replay: BELLWETHER_KILLS=${kills} BELLWETHER_KILLS_SEED=${seed} npm run test:kills`));

  test("leave one order per intent, no bar decided twice, and everything comes back", async () => {
    await recovered(strategy, "the start");
    const seconds: Record<string, number[]> = {};
    for (let index = 0; index < kills; index++) {
      // Each component in turn, so that none is spared; the moment and the manner are drawn.
      const victim = victims[index % victims.length] ?? "agent";
      const withPod = random.next() < 0.5 || index >= victims.length;
      await new Promise((resolve) => setTimeout(resolve, random.next() * 2_500));
      const startedAt = performance.now();
      await kill(victim, withPod);
      await recovered(strategy, `kill ${index + 1} (${victim}${withPod ? " with its pod" : ""})`);
      (seconds[victim] ??= []).push((performance.now() - startedAt) / 1000);
    }
    for (const [victim, all] of Object.entries(seconds))
      console.log(`${victim}: back after ${all.map((s) => s.toFixed(1)).join(", ")} s`);
    // Reconciliation with the venue runs every 30 s: the drift has to be what it says after everything.
    await waitFor(async () => Object.values(await violations(policy)).every((rows) => rows.length === 0), {
      timeoutMs: 60_000,
      what: "no violation",
    });
    for (const [what, rows] of Object.entries(await violations(policy))) expect(rows, what).toEqual([]);
    expect(await decisions(strategy)).toBeGreaterThan(kills);
  });
});
