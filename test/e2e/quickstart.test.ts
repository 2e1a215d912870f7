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

  test("shows equity and position that plain SQL over the journal gives, too", async () => {
    await kubectl(["patch", "strategy", name, "--type=merge", "-p", '{"spec":{"suspend":true}}']);
    try {
      // Nothing trades any more, so that the journal stands still; marks move on, which is why the status' own mark is used.
      const uid = (await get("strategy", name))?.metadata.uid ?? "";
      await waitFor(
        async () => {
          const status = (await get("strategy", name))?.status;
          if (status?.phase !== "Paused") return false;
          const position = status.positions?.[0] as { quantity: string; markPrice: string } | undefined;
          const [row] = await query(foldOf(uid, position?.markPrice ?? "0"));
          return row?.["quantity"] === (position?.quantity ?? "0") && row?.["equity"] === status.equity;
        },
        { timeoutMs: 90_000, everyMs: 1_000, what: "status equal to the fold in SQL" },
      );
    } finally {
      await kubectl(["patch", "strategy", name, "--type=merge", "-p", '{"spec":{"suspend":false}}']);
    }
    await waitFor(async () => (await get("strategy", name))?.status?.phase === "Running", {
      timeoutMs: 60_000,
      what: "Running again",
    });
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

/** Transfers and fills of one strategy, summed in SQL alone: docs/journal.md, with the mark given. */
function foldOf(uid: string, mark: string): string {
  return `
    WITH entries AS (
      SELECT asset, amount FROM risk.transfers WHERE to_sub_account = '${uid}'
      UNION ALL SELECT asset, -amount FROM risk.transfers WHERE from_sub_account = '${uid}'
      UNION ALL SELECT leg.asset, leg.amount FROM broker.fills f JOIN risk.orders o USING (client_order_id)
        CROSS JOIN LATERAL (VALUES
          ('BTC', CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END),
          ('USDT', CASE f.side WHEN 'buy' THEN -f.quantity * f.price ELSE f.quantity * f.price END),
          (f.fee_asset, -f.fee)) AS leg (asset, amount)
        WHERE o.strategy_uid = '${uid}'
    ), balances AS (
      SELECT coalesce(sum(amount) FILTER (WHERE asset = 'BTC'), 0) AS btc, coalesce(sum(amount) FILTER (WHERE asset = 'USDT'), 0) AS usdt FROM entries
    ) SELECT trim_scale(btc)::text AS quantity, trim_scale(usdt + trunc(btc * ${mark}, 18))::text AS equity FROM balances`;
}
