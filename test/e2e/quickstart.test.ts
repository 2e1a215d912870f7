import { describe, expect, test } from "vitest";
import { skipReason } from "../cluster/prerequisites.ts";
import { condition, get, kubectl, list, query, waitFor } from "../cluster/kubectl.ts";
import { processesOfPod } from "../cluster/processes.ts";

const name = "quickstart-momentum";
const agentMemoryLimitKiB = 120 * 1024;

describe.skipIf(skipReason)(`the quickstart${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  test("runs, trades and shows it in the table", async () => {
    await waitFor(
      async () => {
        const strategy = await get("strategy", name);
        return strategy?.status?.phase === "Running" && condition(strategy, "TradingAllowed")?.status === "True";
      },
      { timeoutMs: 120_000, what: `${name} Running and allowed to trade` },
    );
    const table = await kubectl(["get", "strat", name]);
    expect(table).toMatch(/NAME\s+MODE\s+PHASE\s+TRADING\s+PNL%\s+CPUS\s+AGE/);
    expect(table).toMatch(/quickstart-momentum\s+Paper\s+Running\s+True/);
  });

  test("shows the cores that its process really has", async () => {
    const strategy = await waitFor(
      async () => {
        const found = await get("strategy", name);
        return condition(found, "Pinned")?.status === "True" ? found : undefined;
      },
      { timeoutMs: 60_000, what: "Pinned=True" },
    );
    const pod = await get("pod", `strat-${name}-agent`);
    const processes = processesOfPod(pod?.metadata.uid ?? "none");
    expect(processes.length).toBeGreaterThan(0);
    for (const process of processes) expect(process.cpusAllowed).toBe(strategy.status.cpus);
  });

  test("moves its PNL% as the market moves", async () => {
    const first = (await get("strategy", name))?.status?.pnlPercent as string | undefined;
    await waitFor(
      async () => {
        const now = (await get("strategy", name))?.status?.pnlPercent as string | undefined;
        return now !== undefined && now !== first;
      },
      { timeoutMs: 150_000, everyMs: 1_000, what: `pnlPercent other than ${first}` },
    );
  });

  test("has its orders in the journal, at most one for an intent and no bar decided twice", async () => {
    await waitFor(async () => (await query("SELECT 1 FROM broker.fills LIMIT 1")).length > 0, {
      timeoutMs: 120_000,
      what: "a first fill",
    });
    expect(
      await query("SELECT intent_id FROM broker.orders WHERE state <> 'NotSent' GROUP BY intent_id, attempt HAVING count(*) > 1"),
    ).toEqual([]);
  });

  test("keeps agent, risk and broker below 120 MiB each", async () => {
    const pods = await list("pods", ["-l", "app.kubernetes.io/component in (agent,risk,broker)"]);
    expect(pods.length).toBeGreaterThanOrEqual(3);
    for (const pod of pods) {
      const rssKiB = processesOfPod(pod.metadata.uid).reduce((sum, process) => sum + process.rssKiB, 0);
      expect(rssKiB, `${pod.metadata.name} uses ${Math.round(rssKiB / 1024)} MiB`).toBeLessThanOrEqual(agentMemoryLimitKiB);
    }
  });

  test("runs every container as design §5 says", async () => {
    const pods = await list("pods", ["-l", "app.kubernetes.io/part-of=bellwether"]);
    expect(pods.length).toBeGreaterThan(0);
    for (const pod of pods) {
      for (const container of pod.spec.containers) {
        const security = { ...pod.spec.securityContext, ...container.securityContext };
        expect(security, `${pod.metadata.name}/${container.name}`).toMatchObject({
          runAsNonRoot: true,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          seccompProfile: { type: "RuntimeDefault" },
        });
      }
    }
  });
});
