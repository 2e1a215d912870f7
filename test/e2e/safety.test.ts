import { describe, expect, test } from "vitest";
import { skipReason } from "../cluster/prerequisites.ts";
import { condition, get, kubectl, waitFor } from "../cluster/kubectl.ts";

const strategyName = "quickstart-momentum";
const trading = async (): Promise<{ status: string; reason: string } | undefined> =>
  condition(await get("strategy", strategyName), "TradingAllowed");

describe.skipIf(skipReason)(`safety${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  test("with Postgres gone no order is sent, the condition says why, and trading resumes by itself", async () => {
    await kubectl(["scale", "statefulset/postgres", "--replicas=0"]);
    try {
      await waitFor(async () => (await trading())?.reason === "JournalUnavailable", {
        timeoutMs: 60_000,
        what: "JournalUnavailable",
      });
    } finally {
      await kubectl(["scale", "statefulset/postgres", "--replicas=1"]);
    }
    await waitFor(async () => (await trading())?.status === "True", { timeoutMs: 120_000, what: "trading again" });
  });

  test("the API server refuses unknown fields and wrong values with a message that helps", async () => {
    const bad = (await kubectl(["get", "strategy", strategyName, "-o", "json"]).then(JSON.parse)) as {
      spec: Record<string, unknown>;
      metadata: unknown;
      status?: unknown;
    };
    const sent = (spec: object): Promise<string> =>
      kubectl(["create", "--dry-run=server", "--validate=strict", "-f", "-"], {
        input: JSON.stringify({ ...bad, status: undefined, metadata: { name: "bad" }, spec: { ...bad.spec, ...spec } }),
      });
    await expect(sent({ leverage: 5 })).rejects.toThrow(/leverage/);
    await expect(sent({ priority: 2_000 })).rejects.toThrow(/priority.*1000/s);
    await expect(sent({ capital: { shareRatio: "1.5" } })).rejects.toThrow(/shareRatio/);
  });
});
