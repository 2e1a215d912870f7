import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { WebhookReceiver } from "../../../runtimes/service-kit/src/testing/webhook-receiver.ts";
import { describeWithControlPlane } from "../control-plane.ts";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { eventually } from "../order-path/stack.ts";
import { type CommandResult, bellwether } from "./command.ts";
import { apply, furnish, namespace, readPolicy, riskPod } from "./furnish.ts";
import { KubeletStandIn } from "./kubelet-stand-in.ts";
import { LiveStack } from "./live-stack.ts";

const annotation = "bellwether.dev/halt";
const missing = postgresMissing();
const limits = { maxPositionRatio: "0.3", maxTokenConcentrationRatio: "1", maxOrderNotional: "1000000" };

// Every command is a process of its own: on a busy machine a test takes its time.
vi.setConfig({ testTimeout: 300_000 });

await describeWithControlPlane(
  `kubectl bellwether with a real risk${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  {},
  (plane) => {
    let postgres: TestPostgres;
    let kubelet: KubeletStandIn;
    let webhook: WebhookReceiver;
    let stack: LiveStack;
    const run = (...args: string[]): Promise<CommandResult> => bellwether(plane().kubeconfig, ["-n", namespace, ...args]);
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { stdout, stderr, code } = await run(...args, "-o", "json");
      if (stdout === "") throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}\n${stack.logs()}`);
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const told = (): string[] => webhook.taken.map(({ body }) => (body as { text: string }).text);

    /** Only what is recorded as posted is never posted again: a crash in between repeats it. */
    const allPosted = (): Promise<unknown> =>
      eventually(
        () => rowsOf(postgres.superuserDsn, "select book->'unposted' = '[]' as posted from risk.alert_books"),
        ([row]) => row?.["posted"] === true,
        60_000,
      );

    beforeAll(async () => {
      if (missing !== undefined) return;
      postgres = await startPostgres();
      kubelet = await KubeletStandIn.start();
      webhook = await WebhookReceiver.start();
      await furnish(plane(), kubelet.port, { limits, circuitBreakers: [{ type: "Drawdown", threshold: "0.99" }] });
      stack = await LiveStack.start(plane(), postgres, webhook.url);
      kubelet.pods.set(riskPod, stack.riskPort);
    });
    afterAll(async () => {
      await stack?.stop();
      await webhook?.stop();
      await kubelet?.stop();
      postgres?.remove();
    });
    beforeEach(({ skip }) => skip(missing !== undefined, missing));

    test("orders and why tell an order's whole story from the journal", async () => {
      const { intentId, clientOrderId } = await stack.decide({});
      expect(clientOrderId).toBeDefined();
      await stack.snapshot(({ account, orders }) => account.positions.length === 1 && orders.length === 0);
      expect(await json("orders")).toMatchObject({
        orders: [{ strategy: "trend", order: { state: "Filled", order: { intentId, clientOrderId } } }],
      });
      expect((await run("orders", "--policy", "demo", "--open")).stdout).toBe("riskpolicy/demo has no open orders\n");
      for (const id of [intentId, clientOrderId ?? ""]) {
        const { code, stdout, stderr } = await run("why", id);
        expect([code, stderr]).toEqual([0, ""]);
        expect(stdout).toMatch(/trading-state +passed +by policy, state Active/);
        expect(stdout).toMatch(/max-position-ratio +passed +ratio 0\.\d+/);
        expect(stdout).toMatch(/approved +\S+ \S+ under epoch 1, key \S+, nonce \S+/);
        expect(stdout).toContain("Approved once; filled completely");
      }
    });

    test("why names the rule that denied, with its numbers", async () => {
      const { intentId, reason } = await stack.decide({ size: { equityRatio: "0.9" } });
      expect(reason).toBe("POSITION_RATIO");
      const { stdout } = await run("why", intentId);
      expect(stdout).toMatch(/max-position-ratio +DENIED +.*maximum 0\.3/);
      expect(stdout).toContain("Denied by max-position-ratio");
      expect(stdout).toContain("nothing was sent");
    });

    test("halt stops decisions and takes working entries back; neither GitOps nor a restart undoes it; resume does", async () => {
      const working = await stack.decide({ limit: "1", size: { quantity: "0.01" } });
      expect(working.reason).toBeUndefined();
      await stack.snapshot(({ orders }) => orders.length === 1);

      expect(await json("halt", "--reason", "drill")).toMatchObject({
        state: "Halted",
        journal: { recorded: true },
        changed: true,
      });
      await stack.snapshot(({ orders }) => orders.length === 0);
      expect((await stack.decide({})).reason).toBe("HALTED");

      // A GitOps tool that replaces the object: the annotation goes, and spec.trading is what Git says.
      const { metadata, spec } = await readPolicy(plane());
      const bare = {
        apiVersion: "bellwether.dev/v1alpha1",
        kind: "RiskPolicy",
        metadata: { name: metadata.name, namespace },
        spec,
      };
      const replaced = await plane().kubectl(
        ["replace", "-f", "-"],
        JSON.stringify({ ...bare, spec: { ...spec, trading: "Active" } }),
      );
      expect(replaced.code).toBe(0);
      expect((await readPolicy(plane())).metadata.annotations ?? {}).not.toHaveProperty([annotation]);
      await allPosted();
      await stack.kill("risk");
      stack.launch("risk");
      await stack.riskAnswers();
      expect(await json("status")).toMatchObject({
        policies: [{ state: "Halted", holds: [{ by: "journal", state: "Halted" }] }],
      });
      expect((await stack.decide({})).reason).toBe("HALTED");

      const resumed = await run("resume", "--reason", "drill is over");
      expect(resumed).toMatchObject({ code: 0, stderr: "" });
      await stack.snapshot(({ trading }) => trading.allowed);
      expect((await stack.decide({ size: { quantity: "0.001" } })).reason).toBeUndefined();
    });

    test("with risk dead, halt still holds, and resume clears nothing until risk is back", async () => {
      await allPosted();
      await stack.kill("risk");
      expect(await json("halt", "--reason", "no risk")).toMatchObject({ changed: true, journal: { recorded: false } });
      expect(await run("resume", "-r", "x")).toMatchObject({ code: 1, stdout: "" });
      expect((await readPolicy(plane())).metadata.annotations).toHaveProperty([annotation]);
      stack.launch("risk");
      await stack.riskAnswers();
      expect(await json("status")).toMatchObject({ policies: [{ state: "Halted", holds: [{ by: "annotation" }] }] });
      expect(await run("resume", "-r", "risk is back")).toMatchObject({ code: 0, stderr: "" });
    });

    test("reduce lets sells through and buys not", async () => {
      expect(await json("reduce", "--reason", "weekend")).toMatchObject({ state: "Reducing" });
      expect((await stack.decide({})).reason).toBe("REDUCING");
      expect((await stack.decide({ side: "sell", size: { quantity: "0.001" } })).reason).toBeUndefined();
      expect(await run("resume", "-r", "monday")).toMatchObject({ code: 0, stderr: "" });
    });

    test("a breaker that trips is shown with its numbers, told, and armed again by name", async () => {
      const setBreakers = async (circuitBreakers: object[]): Promise<void> => {
        const patch = JSON.stringify({ spec: { circuitBreakers } });
        const { code, stderr } = await plane().kubectl([
          "patch",
          "riskpolicy",
          "demo",
          "-n",
          namespace,
          "--type=merge",
          "-p",
          patch,
        ]);
        if (code !== 0) throw new Error(stderr);
      };
      // Fee and slippage of one buy are more than this; no price of the market has to fall.
      await setBreakers([{ type: "RapidLoss", threshold: "0.000001", window: "24h", cooldown: "720h", action: "Halt" }]);
      expect((await stack.decide({ size: { equityRatio: "0.05" } })).reason).toBeUndefined();
      const trading = (state: string) => (document: Record<string, unknown>) =>
        (document["policies"] as { state: string }[])[0]?.state === state;
      const tripped = await eventually(() => json("status"), trading("Halted"), 60_000);
      expect(tripped).toMatchObject({
        policies: [
          {
            holds: [{ by: "breaker", state: "Halted", next: expect.stringContaining("reset-breaker RapidLoss demo") as string }],
          },
        ],
      });
      expect((await stack.decide({})).reason).toBe("HALTED");
      expect(await run("resume", "-r", "x")).toMatchObject({ code: 1, stdout: expect.stringContaining("still holds") as string });
      await eventually(
        async () => told().join("\n"),
        (text) => text.includes("circuit breaker RapidLoss has tripped"),
        60_000,
      );

      expect(await json("reset-breaker", "rapid-loss", "-r", "look", "--dry-run")).toMatchObject({
        changed: false,
        breakers: [{ type: "RapidLoss" }],
      });
      const reset = await json("reset-breaker", "rapid-loss", "--reason", "understood");
      expect(reset).toMatchObject({ changed: true, breakers: [{ type: "RapidLoss" }] });
      await setBreakers([{ type: "Drawdown", threshold: "0.99" }]);
      await eventually(() => json("status"), trading("Active"), 60_000);
      await eventually(
        async () => told().join("\n"),
        (text) => text.includes("ResetBreaker by admin: understood"),
        60_000,
      );
    });

    test("a webhook that hangs holds up neither decisions nor halts", async () => {
      const before = webhook.taken.length;
      webhook.failNext("hang", "hang", { status: 503 });
      const halted = await json("halt", "--reason", "while the webhook hangs");
      expect(halted).toMatchObject({ state: "Halted", journal: { recorded: true } });
      await eventually(
        async () => webhook.arrived,
        (arrived) => arrived > before,
        60_000,
      );
      expect((await stack.decide({})).reason).toBe("HALTED");
      expect(await run("resume", "-r", "it still hangs")).toMatchObject({ code: 0 });
      expect((await stack.decide({ size: { quantity: "0.001" } })).reason).toBeUndefined();
      await eventually(
        async () => told().join("\n"),
        (text) => text.includes("it still hangs"),
        60_000,
      );
    });

    test("reset-breaker and adopt say that there is nothing to do, or which there are", async () => {
      expect(await json("reset-breaker", "Drawdown", "-r", "look")).toMatchObject({ changed: false, breakers: [] });
      expect(await run("reset-breaker", "GasSpike", "-r", "look")).toMatchObject({ code: 3 });
      expect(await json("adopt", "paper", "-r", "look", "--yes")).toMatchObject({ changed: false, drift: [] });
      expect(await run("adopt", "main", "-r", "look", "--yes")).toMatchObject({ code: 3 });
    });

    test("the webhook is told what people did, once each, over a restart of risk", async () => {
      await eventually(
        async () => told().join("\n"),
        (text) =>
          text.includes("Halt by admin: drill") &&
          text.includes("Reduce by admin: weekend") &&
          text.includes("Resume by admin: monday"),
        60_000,
      );
      const ids = webhook.taken.map(({ body }) => (body as { attachments: { footer: string }[] }).attachments[0]?.footer);
      expect(new Set(ids).size).toBe(ids.length);
      // The strategy was registered once, before risk was killed: its alert was remembered, and not told again.
      expect(told().filter((text) => text.includes("strategy trend, alert modest: pnlRatio is"))).toHaveLength(1);
      expect(stack.logs()).not.toContain("very-secret-part");
    });

    test("a token for another audience, or of another ServiceAccount, controls nothing", async () => {
      const call = async (account: string, audience: string): Promise<number> => {
        const token = await plane().kubectl(["create", "token", account, "-n", namespace, "--audience", audience]);
        const headers = { authorization: `Bearer ${token.stdout.trim()}`, "content-type": "application/json" };
        const body = JSON.stringify({ who: "mallory", reason: "x" });
        return (await fetch(`http://127.0.0.1:${stack.riskPort}/v1/control/resume`, { method: "POST", headers, body })).status;
      };
      expect(await call("bellwether-cli", "broker.bellwether.dev")).toBe(401);
      expect(await call("strat-trend-agent", "risk.bellwether.dev")).toBe(403);
      expect(await call("bellwether-cli", "risk.bellwether.dev")).toBe(200);
      await apply(plane(), {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "bellwether-cli", namespace: "default" },
      });
      const elsewhere = await plane().kubectl([
        "create",
        "token",
        "bellwether-cli",
        "-n",
        "default",
        "--audience",
        "risk.bellwether.dev",
      ]);
      const headers = { authorization: `Bearer ${elsewhere.stdout.trim()}` };
      expect((await fetch(`http://127.0.0.1:${stack.riskPort}/v1/portfolio`, { headers })).status).toBe(403);
    });
  },
);
