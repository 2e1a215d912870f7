import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeRisk, portfolioObject } from "kubectl-bellwether/testing/fake-world";
import { clientOrderId, intentId, intentObject, orderEntryObject } from "kubectl-bellwether/testing/wire-objects";
import type { StoredPolicy } from "kubectl-bellwether/cluster";
import { describeWithControlPlane } from "../control-plane.ts";
import { type CommandResult, bellwether } from "./command.ts";
import { apply, furnish, readPolicy, riskPod } from "./furnish.ts";
import { KubeletStandIn } from "./kubelet-stand-in.ts";
import { riskServer } from "./risk-server.ts";

const haltAnnotation = "bellwether.dev/halt";

// Every command is a process of its own: on a busy machine a test takes its time.
vi.setConfig({ testTimeout: 300_000 });

await describeWithControlPlane("kubectl bellwether on a real API server", {}, (plane) => {
  let kubelet: KubeletStandIn;
  let server: ReturnType<typeof riskServer>;
  let risk: FakeRisk;
  /** What risk's watch would have seen. */
  let seen: StoredPolicy | undefined;
  const run = (...args: string[]): Promise<CommandResult> => bellwether(plane().kubeconfig, ["-n", "bellwether", ...args]);
  const annotations = async (): Promise<Record<string, string>> => ({ ...(await readPolicy(plane())).metadata.annotations });

  beforeAll(async () => {
    kubelet = await KubeletStandIn.start();
    await furnish(plane(), kubelet.port);
    const jwks = await plane().kubectl(["get", "--raw", "/openid/v1/jwks"]);
    const jwksFile = path.join(plane().directory, "jwks.json");
    writeFileSync(jwksFile, jwks.stdout);
    risk = new FakeRisk(() => seen);
    server = riskServer(risk, { jwksFile, issuer: plane().issuer });
    // Risk's own watch, in small: what the API server says of the policy.
    server.addHook("onRequest", async () => void (seen = await readPolicy(plane())));
    await server.listen({ port: 0, host: "127.0.0.1" });
  });
  afterAll(async () => {
    await server?.close();
    await kubelet?.stop();
  });
  beforeEach(async () => {
    kubelet.pods.set(riskPod, (server.server.address() as AddressInfo).port);
    kubelet.forwards.length = 0;
    risk.calls.length = 0;
    risk.journalHalt = undefined;
    risk.shown = portfolioObject();
    await plane().kubectl(["annotate", "riskpolicy", "demo", "-n", "bellwether", `${haltAnnotation}-`, "bellwether.dev/reduce-"]);
  });

  test("halt writes the annotation and, through the port-forward, the journal; resume clears both", async () => {
    const halted = await run("halt", "--reason", "wrong prices", "-o", "json");
    expect(halted).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(halted.stdout)).toMatchObject({ changed: true, journal: { recorded: true }, state: "Halted" });
    expect((await annotations())[haltAnnotation]).toMatch(/^wrong prices \(by admin at \d{4}-/);
    expect(risk.calls).toEqual([{ call: "halt", body: { who: "admin", reason: "wrong prices", state: "Halted" } }]);
    expect(kubelet.forwards).toContain(riskPod);

    const resumed = await run("resume", "--reason", "prices agree");
    expect(resumed).toMatchObject({ code: 0, stderr: "" });
    expect(resumed.stdout).toContain("riskpolicy/demo resumed: trading is Active");
    expect(await annotations()).not.toHaveProperty([haltAnnotation]);
    expect(risk.journalHalt).toBeUndefined();
  });

  test("a dry run changes neither the object nor the journal", async () => {
    const before = (await readPolicy(plane())).metadata.resourceVersion;
    for (const args of [["halt"], ["reduce"], ["resume", "-r", "x"]]) {
      const { code, stdout } = await run(...args, "--dry-run");
      expect([code, stdout.includes("dry run")]).toEqual([0, true]);
    }
    expect((await readPolicy(plane())).metadata.resourceVersion).toBe(before);
    expect(risk.calls).toEqual([]);
  });

  test("halt holds by the annotation alone when risk does not answer", async () => {
    kubelet.pods.clear();
    const { code, stdout } = await run("halt", "-r", "wrong prices");
    expect(code).toBe(0);
    expect(stdout).toContain("the kubelet says: failed to connect to localhost:8080");
    expect(await annotations()).toHaveProperty([haltAnnotation]);
    const resumed = await run("resume", "-r", "x");
    expect(resumed).toMatchObject({ code: 1, stdout: "" });
    expect(resumed.stderr).toContain("cannot read the portfolio at the risk of riskpolicy/demo");
    expect(await annotations()).toHaveProperty([haltAnnotation]);
  });

  test("resume ends with 1 and the next step while spec.trading holds", async () => {
    const set = (trading: string): Promise<unknown> =>
      plane().kubectl([
        "patch",
        "riskpolicy",
        "demo",
        "-n",
        "bellwether",
        "--type=merge",
        "-p",
        JSON.stringify({ spec: { trading } }),
      ]);
    await set("Halted");
    const { code, stdout } = await run("resume", "-r", "x");
    await set("Active");
    expect(code).toBe(1);
    expect(stdout).toContain("spec.trading is Halted");
  });

  test("status, orders and why come through the same way", async () => {
    risk.shownOrders = { orders: [orderEntryObject()], more: false };
    risk.intents.set(intentId, intentObject());
    risk.intents.set(clientOrderId, intentObject());
    expect((await run("status")).stdout).toContain("riskpolicy/demo  Active  equity 10,012.34 USDT");
    expect(JSON.parse((await run("status", "-o", "json")).stdout)).toMatchObject({
      policies: [{ name: "demo", figuresFrom: "risk" }],
    });
    expect((await run("orders", "--open", "--limit", "7")).stdout).toContain(clientOrderId);
    expect(risk.calls).toContainEqual({ call: "orders", body: { openOnly: true, limit: 7 } });
    for (const id of [intentId, clientOrderId]) expect((await run("why", id)).stdout).toContain("filled completely");
    expect(await run("why", "0000")).toMatchObject({ code: 3, stdout: "" });
  });

  describe("a person without rights", () => {
    test("is told which right is missing, and may still read what they may read", async () => {
      const nobody = await plane().kubeconfigFor("mallory");
      const refused = await bellwether(nobody, ["-n", "bellwether", "halt"]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toMatch(/cannot list riskpolicies in namespace bellwether: .*forbidden/);

      await apply(plane(), {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "reader" },
        rules: [
          { apiGroups: ["bellwether.dev"], resources: ["strategies", "riskpolicies"], verbs: ["get", "list"] },
          { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
        ],
      });
      await plane().kubectl(["create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=mallory"]);
      const status = await bellwether(nobody, ["-n", "bellwether", "status"]);
      expect(status.code).toBe(0);
      expect(status.stdout).toMatch(/risk could not be asked: cannot get a token of ServiceAccount bellwether-cli/);
      const halt = await bellwether(nobody, ["-n", "bellwether", "halt"]);
      expect(halt).toMatchObject({ code: 1, stdout: "" });
      expect(halt.stderr).toMatch(/NOT STOPPED.*annotate riskpolicy\/demo.*forbidden/);
      expect(await annotations()).not.toHaveProperty([haltAnnotation]);
    });
  });

  test.each([
    { what: "a policy that is not there", args: ["halt", "demi"], code: 3, says: "there are: demo" },
    {
      what: "a namespace without policies",
      args: ["-n", "default", "halt"],
      code: 3,
      says: "namespace default has no RiskPolicy",
    },
    { what: "a strategy that is not there", args: ["orders", "trend"], code: 3, says: "no Strategy 'trend'" },
    { what: "a context that is not there", args: ["--context", "prod", "status"], code: 1, says: 'no context "prod"' },
    { what: "a command that is none", args: ["stop"], code: 2, says: "no command 'stop'" },
  ])("$what ends with $code", async ({ args, code, says }) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(says);
    expect(result.stderr).toContain("next: ");
  });

  test("a cluster without Bellwether, and one that does not answer, are told apart", async () => {
    const gone = path.join(plane().directory, "gone.kubeconfig");
    const cluster = { clusters: [{ name: "x", cluster: { server: "https://127.0.0.1:1" } }], users: [{ name: "x", user: {} }] };
    const contexts = [{ name: "x", context: { cluster: "x", user: "x" } }];
    writeFileSync(gone, JSON.stringify({ apiVersion: "v1", kind: "Config", ...cluster, contexts, "current-context": "x" }));
    const result = await bellwether(gone, ["status"]);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain("kubectl cluster-info");
  });
});
