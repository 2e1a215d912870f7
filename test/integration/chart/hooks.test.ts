import { spawn } from "node:child_process";
import path from "node:path";
import { API_VERSION } from "@bellwether/crds";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithControlPlane } from "../control-plane.ts";
import { type Helm, startHelm } from "./helm.ts";

const program = path.resolve(import.meta.dirname, "../../../operator/src/chart-hooks/main.ts");

interface Outcome {
  readonly code: number | null;
  readonly log: string;
}

/** Runs the hook's program to its end. */
function runHook(kubeconfig: string, environment: Readonly<Record<string, string>>): Promise<Outcome> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    KUBECONFIG: kubeconfig,
    BELLWETHER_NAMESPACE: "bellwether",
    BELLWETHER_POSTGRES_SECRET: "bellwether-postgres",
    BELLWETHER_VALKEY_SECRET: "bellwether-valkey",
    BELLWETHER_TIMEOUT_SECONDS: "5",
    BELLWETHER_WATCH_NAMESPACES: "",
    ...environment,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, log }));
  });
}

// The programs run as the ServiceAccounts of the hook Jobs, with the roles that the chart gives these: no verb too few.
await describeWithControlPlane("the chart's hooks", {}, (plane) => {
  let helm: Helm;

  beforeAll(async () => {
    helm = await startHelm();
    await plane().kubectl(["create", "namespace", "bellwether"]);
    const roles = (await helm.manifests({})).filter(({ kind, metadata }) => /Role/.test(kind) && metadata.name.endsWith("-hook"));
    await plane().kubectl(
      ["apply", "--server-side", "-f", "-"],
      JSON.stringify({ apiVersion: "v1", kind: "List", items: roles }),
    );
  }, 900_000);
  afterAll(() => helm?.close());

  const kubeconfigOf = (account: string) => plane().kubeconfigFor(`system:serviceaccount:bellwether:${account}`);
  const secretData = async () => {
    const { stdout } = await plane().kubectl([
      "get",
      "secret",
      "bellwether-postgres",
      "-n",
      "bellwether",
      "-o",
      "jsonpath={.data}",
    ]);
    return JSON.parse(stdout) as Record<string, string>;
  };

  test("create the database's Secret once, and never change it", async () => {
    const kubeconfig = await kubeconfigOf("bellwether-secret-hook");
    expect(await runHook(kubeconfig, { BELLWETHER_CHART_HOOK: "create-secrets" })).toMatchObject({ code: 0 });
    const first = await secretData();
    expect(Object.keys(first).sort()).toEqual(["broker-dsn", "gateway-dsn", "password", "risk-dsn"]);

    const second = await runHook(kubeconfig, { BELLWETHER_CHART_HOOK: "create-secrets" });
    expect(second.code).toBe(0);
    expect(await secretData()).toEqual(first);
    for (const value of Object.values(first)) expect(second.log).not.toContain(Buffer.from(value, "base64").toString());
  });

  test("drain what the operator no longer lets go", async () => {
    const manifests = [strategy("held"), strategy("free"), riskPolicy("held")];
    for (const manifest of manifests) {
      const { code, stderr } = await plane().kubectl(["create", "-n", "bellwether", "-f", "-"], JSON.stringify(manifest));
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
    const kubeconfig = await kubeconfigOf("bellwether-drain-hook");
    const { code, log } = await runHook(kubeconfig, { BELLWETHER_CHART_HOOK: "drain" });
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(log).toContain("Strategy bellwether/held");
    const { stdout } = await plane().kubectl(["get", "strategies,riskpolicies", "-A", "-o", "name"]);
    expect(stdout).toBe("");
  });
});

const held = (name: string) => ({ name, ...(name === "held" ? { finalizers: ["bellwether.dev/test"] } : {}) });

const strategy = (name: string): object => ({
  apiVersion: API_VERSION,
  kind: "Strategy",
  metadata: held(name),
  spec: {
    riskPolicyRef: { name: "held", account: "main" },
    markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
    program: { builtin: { name: "dca" } },
  },
});

const riskPolicy = (name: string): object => ({
  apiVersion: API_VERSION,
  kind: "RiskPolicy",
  metadata: held(name),
  spec: {
    baseCurrency: "USDT",
    accounts: [
      {
        name: "main",
        paper: { balances: [{ asset: "USDT", amount: "1" }], market: { replay: { dataset: { synthetic: { seed: 1 } } } } },
      },
    ],
  },
});
