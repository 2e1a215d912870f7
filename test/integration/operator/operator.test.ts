import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { checkpoints, configMaps, llmRoutes, namespaces } from "@bellwether/operator/resources";
import { type ControlPlane, describeWithControlPlane } from "../control-plane.ts";
import { pods } from "./fake-node.ts";
import {
  type Stage,
  condition,
  eventually,
  riskPolicies,
  riskPolicy,
  setStage,
  strategies,
  strategy,
  strategyWhen,
} from "./harness.ts";

await describeWithControlPlane("the operator on a real API server", { controllers: true }, (plane) => {
  let stage: Stage;
  let namespace = "";
  let serial = 0;

  beforeAll(async () => {
    stage = await setStage(plane());
  });
  afterAll(() => stage?.stop());

  /** Each test has a namespace of its own, and leaves none of its agents behind: there is one exclusive core. */
  beforeEach(async () => {
    if (namespace !== "") await removeObjects(plane(), namespace);
    serial += 1;
    namespace = `test-${serial}`;
    await stage.admin.create(namespaces, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });
    Object.assign(stage.risk, {
      isDown: false,
      refusal: undefined,
      equity: "10000",
      state: "Active",
      trading: { allowed: true, reason: "Active", message: "trading" },
    });
    stage.risk.registrations.clear();
    stage.risk.workingOrders.clear();
    stage.risk.deleted.length = 0;
  });

  const at = (name: string) => ({ namespace, name });
  const when = (name: string, test: Parameters<typeof strategyWhen>[2]) => strategyWhen(stage.admin, at(name), test);
  const applyPolicy = async (): Promise<void> => {
    const { metadata } = await stage.admin.create(riskPolicies, riskPolicy(namespace));
    stage.risk.policyUid = metadata.uid;
  };
  const apply = (name: string, spec: Parameters<typeof strategy>[2] = {}) =>
    stage.admin.create(strategies, strategy(namespace, name, spec));
  const policyReady = () =>
    eventually("a ready policy", async () => {
      const found = await stage.admin.get(riskPolicies, at("main"));
      return found && condition(found, "Ready")?.status === "True" && found;
    });
  const podOf = (name: string) => stage.admin.get(pods, at(`strat-${name}-agent`));

  test("a strategy runs, trades and shows its core and its figures", async () => {
    await applyPolicy();
    await apply("btc");
    const running = await when(
      "btc",
      ({ status }) => status?.phase === "Running" && status.cpus === "1" && status.equity !== undefined,
    );
    expect(condition(running, "Ready")).toMatchObject({ status: "True", reason: "Running" });
    expect(condition(running, "Pinned")).toMatchObject({ status: "True", reason: "ExclusiveCores" });
    expect(condition(running, "TradingAllowed")).toMatchObject({ status: "True", reason: "Active" });
    expect(running.status).toMatchObject({
      mode: "Paper",
      node: "droplet",
      run: 1,
      shareRatio: "0.25",
      pnlPercent: "0.00",
      policy: "main",
      account: "paper",
    });
    expect([...stage.risk.registrations.values()]).toMatchObject([
      {
        name: "btc",
        subject: `system:serviceaccount:${namespace}:strat-btc-agent`,
        shareRatio: "0.25",
        suspended: false,
        mode: "Paper",
      },
    ]);
    const policy = await policyReady();
    expect(policy.status).toMatchObject({ state: "Active", equity: "10000", drawdownPercent: "1.00", riskScore: 3 });
  });

  test("a settled world is left alone", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", ({ status }) => status?.phase === "Running" && status.cpus === "1" && status.equity !== undefined);
    const settled = async (reads: number): Promise<void> => {
      const from = stage.risk.portfolioReads;
      await eventually("further looks at risk", async () => stage.risk.portfolioReads > from + reads);
    };
    await settled(10);
    stage.writes.length = 0;
    await settled(20);
    expect(stage.writes).toEqual([]);
  });

  test("a restarted operator takes nothing back and writes nothing", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", ({ status }) => status?.phase === "Running" && status.cpus === "1" && status.equity !== undefined);
    await policyReady();
    const pod = await podOf("btc");
    stage.risk.registrations.clear();
    stage.writes.length = 0;
    await stage.restart();
    await eventually("the strategy to be told to risk again", async () => stage.risk.registrations.size === 1);
    const from = stage.risk.portfolioReads;
    await eventually("further looks at risk", async () => stage.risk.portfolioReads > from + 20);
    // What risk forgot, it learned again; its word on trading was away in between.
    expect(stage.writes.filter((write) => !write.startsWith("patchStatus Strategy"))).toEqual([]);
    expect((await podOf("btc"))?.metadata.uid).toBe(pod?.metadata.uid);
    stage.writes.length = 0;
    await stage.restart();
    const again = stage.risk.portfolioReads;
    await eventually("further looks at risk", async () => stage.risk.portfolioReads > again + 20);
    expect(stage.writes).toEqual([]);
  });

  test("a second strategy waits for a core, with the reason, and starts when the first is suspended", async () => {
    await applyPolicy();
    await apply("first");
    await when("first", ({ status }) => status?.phase === "Running");
    await apply("second");
    const queued = await when("second", ({ status }) => status?.phase === "Queued");
    expect(condition(queued, "Admitted")).toMatchObject({
      status: "False",
      reason: "InsufficientExclusiveCpu",
      message: "wants 1, free 0 of 1",
    });
    await stage.admin.patch(strategies, { ref: at("first"), patch: { spec: { suspend: true } } });
    await when("second", ({ status }) => status?.phase === "Running");
    const paused = await when("first", ({ status }) => status?.phase === "Paused");
    expect(condition(paused, "TradingAllowed")).toMatchObject({ status: "False", reason: "Suspended" });
    expect([...stage.risk.registrations.values()].find(({ name }) => name === "first")?.suspended).toBe(true);
    expect(await podOf("first")).toBeUndefined();
  });

  test("a missing policy is a sentence, and heals by itself", async () => {
    await apply("btc");
    const pending = await when("btc", ({ status }) => status?.phase === "Pending");
    expect(condition(pending, "Ready")).toMatchObject({
      status: "False",
      reason: "RiskPolicyMissing",
      message: 'there is no RiskPolicy "main" in this namespace: create it, or correct spec.riskPolicyRef.name',
    });
    await applyPolicy();
    await when("btc", ({ status }) => status?.phase === "Running");
  });

  test("a missing program is a sentence, and heals; an edited one is rolled out", async () => {
    await applyPolicy();
    await apply("own", { program: { source: { configMapRef: { name: "code", key: "own.ts" } } } });
    const pending = await when("own", ({ status }) => status?.reason === "ProgramMissing");
    expect(condition(pending, "Ready")?.message).toContain('no ConfigMap "code"');
    const code = (text: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "code", namespace },
      data: { "own.ts": text },
    });
    await stage.admin.create(configMaps, code("export default 1"));
    await when("own", ({ status }) => status?.phase === "Running");
    const before = await podOf("own");
    await stage.admin.replace(configMaps, code("export default 2"));
    await eventually("a pod made from the edited program", async () => {
      const pod = await podOf("own");
      return pod !== undefined && pod.metadata.uid !== before?.metadata.uid;
    });
  });

  test("a changed spec replaces the pod, and keeps the place", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", ({ status }) => status?.phase === "Running");
    const before = await podOf("btc");
    await apply("waits", { priority: 1000 });
    await when("waits", ({ status }) => status?.phase === "Queued");
    await stage.admin.patch(strategies, {
      ref: at("btc"),
      patch: { spec: { markets: [{ symbol: "ETH/USDT", timeframe: "1m" }] } },
    });
    await eventually("another pod", async () => {
      const pod = await podOf("btc");
      return pod !== undefined && pod.metadata.uid !== before?.metadata.uid;
    });
    await when("btc", ({ status }) => status?.phase === "Running");
    expect((await when("waits", () => true)).status?.phase).toBe("Queued");
  });

  test("a program that throws is shown with its first line, tried again with pauses, and given up at the limit", async () => {
    await applyPolicy();
    await apply("bad");
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const pod = await eventually("a running pod", async () => {
        const found = await podOf("bad");
        return found?.status?.phase === "Running" && found.metadata.deletionTimestamp === undefined && found;
      });
      // Failures are told apart by their second.
      await eventually("another second", async () => Date.now() - Date.parse(pod.metadata.creationTimestamp ?? "") > 1_100);
      await stage.node.end(namespace, "strat-bad-agent", {
        exitCode: 70,
        message: JSON.stringify({ reason: "ProgramFailed", message: "TypeError: x is not a function" }),
      });
      const failed = await when("bad", ({ status }) => status?.failures === attempt);
      expect(condition(failed, "Ready")).toMatchObject({ status: "False", reason: "ProgramFailed" });
      expect(condition(failed, "Ready")?.message).toContain("TypeError: x is not a function");
    }
    const given = await when("bad", ({ status }) => status?.phase === "Failed");
    expect(condition(given, "Ready")?.message).toContain("3 failures in a row");
    await stage.admin.patch(strategies, { ref: at("bad"), patch: { spec: { program: { builtin: { name: "breakout" } } } } });
    const again = await when("bad", ({ status }) => status?.phase === "Running");
    expect(again.status?.failures).toBeUndefined();
  });

  test("a backtest completes, keeps its result, and runs again only when it is changed", async () => {
    await applyPolicy();
    await apply("past", { mode: "Backtest", backtest: { dataset: { synthetic: { seed: 3 } } } });
    await when("past", ({ status }) => status?.phase === "Running");
    expect((await podOf("past"))?.spec.containers[0]?.resources).toMatchObject({
      requests: { cpu: "50m" },
      limits: { cpu: "1" },
    });
    const backtest = {
      bars: 10,
      trades: 1,
      pnlRatio: "0.1",
      maxDrawdownRatio: "0",
      sharpe: "1",
      finalEquity: "11000",
      fees: "1",
      logSha256: "ab",
    };
    await stage.node.end(namespace, "strat-past-agent", {
      exitCode: 0,
      message: JSON.stringify({ reason: "Completed", backtest }),
    });
    const completed = await when("past", ({ status }) => status?.phase === "Completed");
    expect(completed.status?.backtest).toEqual(backtest);
    expect(condition(completed, "Ready")).toMatchObject({ status: "True", reason: "Completed" });
    expect(condition(completed, "TradingAllowed")).toBeUndefined();
    expect(stage.risk.registrations.size).toBe(0);
    await stage.admin.delete(pods, at("strat-past-agent"), { gracePeriodSeconds: 0 });
    await eventually("no pod", async () => (await podOf("past")) === undefined);
    await stage.admin.patch(strategies, { ref: at("past"), patch: { spec: { priority: 7 } } });
    const still = await when("past", ({ status }) => status?.priority === 7);
    expect(still.status).toMatchObject({ phase: "Completed", backtest });
    await stage.admin.patch(strategies, { ref: at("past"), patch: { spec: { backtest: { seed: 5 } } } });
    await when("past", ({ status }) => status?.phase === "Running");
  });

  test("trading that stops shows at once, and comes back by itself", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", (found) => condition(found, "TradingAllowed")?.status === "True");
    stage.risk.isDown = true;
    const down = await when("btc", (found) => condition(found, "TradingAllowed")?.status === "False");
    expect(condition(down, "TradingAllowed")?.reason).toBe("JournalUnavailable");
    expect(down.status?.phase).toBe("Running");
    stage.risk.isDown = false;
    await when("btc", (found) => condition(found, "TradingAllowed")?.status === "True");
    stage.risk.trading = { allowed: false, reason: "MarketDataEnded", message: "the replay is at its end" };
    const ended = await when("btc", (found) => condition(found, "TradingAllowed")?.reason === "MarketDataEnded");
    expect(condition(ended, "TradingAllowed")).toMatchObject({ status: "False", message: "the replay is at its end" });
  });

  test("deleting a strategy waits until its orders are cancelled", async () => {
    await applyPolicy();
    const { metadata } = await apply("btc", { onDelete: "Flatten" });
    await when("btc", ({ status }) => status?.phase === "Running");
    stage.risk.workingOrders.set(metadata.uid, 2);
    await stage.admin.delete(strategies, at("btc"));
    await eventually("the strategy to go", async () => (await stage.admin.get(strategies, at("btc"))) === undefined);
    expect(stage.risk.deleted.length).toBeGreaterThanOrEqual(2);
    expect(stage.risk.deleted[0]).toEqual({ uid: metadata.uid, onDelete: "Flatten" });
    await eventually("the pod to go", async () => (await podOf("btc")) === undefined);
  });

  test("a policy waits for its strategies", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", ({ status }) => status?.phase === "Running");
    await stage.admin.delete(riskPolicies, at("main"));
    await eventually("the policy to say so", async () => {
      const policy = await stage.admin.get(riskPolicies, at("main"));
      return policy && condition(policy, "Ready")?.message.includes("btc");
    });
    await stage.admin.delete(strategies, at("btc"));
    await eventually("the policy to go", async () => (await stage.admin.get(riskPolicies, at("main"))) === undefined);
  });

  test("a name that is taken is refused, and taken over by nobody", async () => {
    await applyPolicy();
    const foreign = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "strat-btc-agent", namespace },
      data: { mine: "yes" },
    };
    await stage.admin.create(configMaps, foreign);
    await apply("btc");
    const refused = await when("btc", ({ status }) => status?.reason === "NameTaken");
    expect(condition(refused, "Ready")?.message).toContain("ConfigMap strat-btc-agent exists and is not owned by Strategy btc");
    expect((await stage.admin.get(configMaps, at("strat-btc-agent")))?.data).toEqual({ mine: "yes" });
  });

  test("a strategy waits for a route that is not there, and the route's model for the core that another strategy holds", async () => {
    await applyPolicy();
    await apply("holder");
    await when("holder", ({ status }) => status?.cpus === "1");
    await apply("asks", { llmRouteRef: { name: "mixed" }, resources: { pinning: "Shared" } });
    await when("asks", ({ status }) => status?.reason === "LlmRouteMissing");
    await stage.admin.create(llmRoutes, {
      apiVersion: "bellwether.dev/v1alpha1",
      kind: "LlmRoute",
      metadata: { name: "mixed", namespace },
      spec: { models: [{ name: "local", ollama: { model: "tiny", cpus: 1, memory: "256Mi" } }] },
    });
    await when("asks", ({ status }) => status?.phase === "Running");
    const callers = async (): Promise<string | undefined> =>
      (await stage.admin.get(configMaps, at("llmr-mixed-gateway")))?.data?.["callers.json"];
    const subject = `system:serviceaccount:${namespace}:strat-asks-agent`;
    expect(JSON.parse((await callers()) ?? "")).toEqual([{ subject, tenant: "asks" }]);
    const replicas = async (): Promise<string> => {
      const args = ["get", "statefulset", "llmr-mixed-ollama-local", "--namespace", namespace, "-o", "jsonpath={.spec.replicas}"];
      return (await plane().kubectl(args)).stdout;
    };
    const admission = (status: string) =>
      eventually(`Admitted=${status}`, async () => {
        const found = await stage.admin.get(llmRoutes, at("mixed"));
        return found?.status?.conditions?.some((each) => each.type === "Admitted" && each.status === status) && found;
      });
    const queued = await admission("False");
    expect(queued.status?.conditions?.find(({ type }) => type === "Admitted")?.message).toBe("model local: wants 1, free 0 of 1");
    expect(await replicas()).toBe("0");
    await stage.admin.delete(strategies, at("holder"));
    await admission("True");
    expect(await replicas()).toBe("1");
    await stage.admin.delete(strategies, at("asks"));
    await eventually("a list without it", async () => (await callers()) === "[]\n");
  });

  test("kinds that are not acted on say so", async () => {
    await stage.admin.create(checkpoints, {
      apiVersion: "bellwether.dev/v1alpha1",
      kind: "Checkpoint",
      metadata: { name: "hourly", namespace },
      spec: { copies: [{ name: "disk", volume: { claimName: "backup" } }] },
    });
    const found = await eventually("a condition", async () => {
      const checkpoint = await stage.admin.get(checkpoints, at("hourly"));
      return checkpoint?.status?.conditions && checkpoint;
    });
    expect(found.status?.conditions).toMatchObject([{ type: "Ready", status: "Unknown", reason: "NotReconciled" }]);
  });

  test("where the kubelet pins nothing the agent runs all the same", async () => {
    stage.node.policy = "none";
    try {
      await applyPolicy();
      await apply("btc");
      const running = await when("btc", (found) => found.status?.phase === "Running" && condition(found, "Pinned") !== undefined);
      expect(condition(running, "Pinned")).toMatchObject({ status: "False", reason: "KubeletDoesNotPin" });
      expect(running.status?.cpus).toBeUndefined();
    } finally {
      stage.node.policy = "static";
    }
  });

  test("deleting the whole namespace ends, although risk is gone", async () => {
    await applyPolicy();
    await apply("btc");
    await when("btc", ({ status }) => status?.phase === "Running");
    stage.risk.isDown = true;
    await removeNamespace(plane(), namespace);
    expect(await stage.admin.get(namespaces, { name: namespace })).toBeUndefined();
  });
});

/** The namespace itself stays: its controller waits out the grace period of every pod. */
async function removeObjects(plane: ControlPlane, namespace: string): Promise<void> {
  const deleted = await plane.kubectl([
    "delete",
    "strategies,riskpolicies,llmroutes",
    "--all",
    "--namespace",
    namespace,
    "--timeout=20s",
  ]);
  if (deleted.code !== 0) throw new Error(deleted.stderr);
}

async function removeNamespace(plane: ControlPlane, namespace: string): Promise<void> {
  const deleted = await plane.kubectl(["delete", "namespace", namespace, "--ignore-not-found", "--timeout=40s"]);
  if (deleted.code !== 0) throw new Error(deleted.stderr);
}
