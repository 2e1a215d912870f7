import path from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { type CommandResult, condition, get, kubectl, list, query, run, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";

const bin = path.resolve(import.meta.dirname, "../../.bellwether/bin");
const policy = "quickstart";

/** As a person would: kubectl, which finds the plugin beside itself. */
function bellwether(...args: string[]): Promise<CommandResult> {
  return run("/usr/bin/env", [`PATH=${bin}:${process.env["PATH"]}`, "kubectl", "bellwether", ...args]);
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr, code } = await bellwether(...args, "-o", "json");
  if (stdout === "") throw new Error(`kubectl bellwether ${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const ordersSent = async (): Promise<number> => Number((await query("SELECT count(*) AS n FROM broker.orders"))[0]?.["n"] ?? 0);
const isTrading = async (): Promise<boolean> =>
  condition(await get("strategy", "quickstart-momentum"), "TradingAllowed")?.status === "True";

describe.skipIf(skipReason)(`kubectl bellwether${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  test("status asks risk itself, through API server and kubelet", async () => {
    await waitFor(isTrading, { timeoutMs: 120_000, what: "quickstart-momentum trades" });
    expect(await json("status")).toMatchObject({
      policies: [{ name: policy, state: "Active", figuresFrom: "risk", holds: [], accounts: [{ ready: true }] }],
    });
  });

  test("orders and why tell the story of an order that the quickstart has placed", async () => {
    const found = await waitFor(
      async () => {
        const { orders } = (await json("orders", "quickstart-momentum")) as {
          orders: { order: { order: { intentId: string } } }[];
        };
        return orders[0]?.order.order.intentId;
      },
      { timeoutMs: 180_000, what: "an order" },
    );
    const { code, stdout } = await bellwether("why", found);
    expect(code).toBe(0);
    expect(stdout).toMatch(/trading-state +passed/);
    expect(stdout).toMatch(/approved +.* under epoch \d+/);
  });

  test("halt stops orders, is an event with who and why, and outlives a replaced object; resume ends it", async () => {
    expect(await json("halt", "--reason", "exercise")).toMatchObject({ state: "Halted", journal: { recorded: true } });
    const { spec } = (await get("riskpolicy", policy)) ?? { spec: {} };
    const bare = { apiVersion: "bellwether.dev/v1alpha1", kind: "RiskPolicy", metadata: { name: policy }, spec };
    await kubectl(["replace", "-f", "-"], { input: JSON.stringify(bare) });
    await waitFor(async () => !(await isTrading()), { timeoutMs: 60_000, what: "TradingAllowed=False" });
    const atHalt = await ordersSent();
    const event = await waitFor(
      async () =>
        (await list("events.events.k8s.io"))
          .map((entry) => JSON.stringify(entry))
          .find((text) => text.includes("TradingControlHalt")),
      { timeoutMs: 60_000, what: "an event of the halt" },
    );
    expect(event).toContain("exercise");
    expect(await ordersSent()).toBe(atHalt);
    expect(await bellwether("resume", "--reason", "exercise is over")).toMatchObject({ code: 0 });
    await waitFor(isTrading, { timeoutMs: 60_000, what: "trading again" });
  });
});
