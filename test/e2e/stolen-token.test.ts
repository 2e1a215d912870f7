import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { get, kubectl, list, run, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { processesOfPod } from "../cluster/processes.ts";

/*
 * Somebody has got hold of everything in an agent's pod: its token is all there is, and all it is good for is what the agent does anyway. Every route
 * of every service is called with it, read from the services' own sources, so that no new one is forgotten here.
 */

const strategy = "quickstart-momentum";
const account = "strat-quickstart-momentum-agent";
const namespace = "bellwether";
const apiPort = 8080;
const root = path.resolve(import.meta.dirname, "../..");
const services = [
  { service: "risk", sources: "runtimes/risk/src/api/**/*.ts", namespace },
  { service: "broker", sources: "runtimes/broker/src/api*.ts", namespace },
  { service: "node-agent", sources: "runtimes/node-agent/src/api.ts", namespace: "bellwether-node" },
] as const;

/** What an agent needs: to decide, and to see what it decides from. Everything else is refused. */
const granted: ReadonlySet<string> = new Set([
  "risk POST /v1/intents",
  "risk GET /v1/strategies/:uid",
  "risk GET /v1/bars",
  "risk GET /v1/stream",
]);

interface Route {
  readonly service: string;
  readonly method: string;
  readonly route: string;
  readonly at: string;
}

const routes: readonly Route[] = services.flatMap(({ service, sources, namespace: at }) =>
  globSync(sources, { cwd: root })
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) => [
      ...readFileSync(path.join(root, file), "utf8").matchAll(/\.(get|put|post|delete|patch)(?:<[^(]*>)?\(\s*"(\/v1\/[^"]*)"/g),
    ])
    .map(([, method = "", route = ""]) => ({ service, method: method.toUpperCase(), route, at })),
);

/** A body that the route would take from somebody else, so that the refusal is about who asks. */
function bodyOf({ method, route }: Route): object | undefined {
  if (method === "GET" || method === "DELETE") return undefined;
  const who = { who: "a thief", reason: "exercise" };
  if (route.endsWith("/reset-breaker")) return { ...who, type: "RapidLoss" };
  if (route.endsWith("/adopt")) return { ...who, account: "paper" };
  if (route.includes("/control/")) return who;
  return route.endsWith("/halt") ? { reason: "exercise" } : {};
}

async function call(route: Route, { token, host, uid }: { token: string; host: string; uid: string }): Promise<number> {
  const filled = route.route.replaceAll(/:uid|:clientOrderId|:intentId|:id/g, uid);
  const body = bodyOf(route);
  const reply = await fetch(`http://${host}:${apiPort}${filled}?strategy=${uid}&market=BTC/USDT&timeframe=1m`, {
    method: route.method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  await reply.body?.cancel();
  return reply.status;
}

async function hostOf(service: string, at: string): Promise<string> {
  const instance = service === "node-agent" ? "" : ",app.kubernetes.io/instance=quickstart";
  return waitFor(
    async () => {
      const pods = await list("pods", ["-n", at, "-l", `app.kubernetes.io/component=${service}${instance}`]);
      return pods.find(({ status }) => status?.phase === "Running")?.status.podIP as string | undefined;
    },
    { timeoutMs: 60_000, what: `an address of ${service}` },
  );
}

describe.skipIf(skipReason)(`a stolen agent's token${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  let uid = "";
  const tokens = new Map<string, string>();
  const hosts = new Map<string, string>();

  beforeAll(async () => {
    uid = (await get("strategy", strategy))?.metadata.uid ?? "";
    for (const { service, namespace: at } of services) {
      // More than a thief has: the agent's pod holds a token for risk alone, and nobody in it can ask for another.
      const token = await kubectl(["create", "token", account, "--audience", `${service}.bellwether.dev`, "-n", namespace]);
      tokens.set(service, token.trim());
      hosts.set(service, await hostOf(service, at));
    }
  });
  const at = (service: string) => ({ token: tokens.get("risk") ?? "", host: hosts.get(service) ?? "", uid });

  test("is tried at every route there is", () => {
    expect(new Set(routes.map(({ service }) => service)).size).toBe(services.length);
    for (const each of granted)
      expect(routes.map(({ service, method, route }) => `${service} ${method} ${route}`)).toContain(each);
  });

  test.each(routes)("$service $method $route: nothing but intents", async (route) => {
    const status = await call(route, at(route.service));
    const name = `${route.service} ${route.method} ${route.route}`;
    // An empty decision is refused for what it is, not for who asks.
    if (granted.has(name)) expect([200, 400]).toContain(status);
    else expect([401, 403], `${name} answered ${status}`).toContain(status);
    // A token of the right audience would not help either: it still names the agent.
    const other = await call(route, { ...at(route.service), token: tokens.get(route.service) ?? "" });
    if (!granted.has(name)) expect([401, 403], `${name} answered ${other}`).toContain(other);
  });

  test("says nothing about another strategy, and decides nothing for it", async () => {
    for (const route of routes.filter(
      ({ service, method, route: it }) => granted.has(`${service} ${method} ${it}`) && method === "GET",
    )) {
      const status = await call(route, { ...at("risk"), uid: "11111111-2222-3333-4444-555555555555" });
      expect([403, 404], `${route.route} answered ${status}`).toContain(status);
    }
  });

  test("opens nothing at the API server", async () => {
    const kubectlProgram = path.join(root, ".bellwether/bin/kubectl");
    for (const verb of ["get", "list", "create", "delete"])
      for (const what of [
        "secrets",
        "pods",
        "pods/exec",
        "serviceaccounts/token",
        "riskpolicies.bellwether.dev",
        "strategies.bellwether.dev",
      ]) {
        const asked = ["auth", "can-i", verb, what, "-n", namespace, `--as=system:serviceaccount:${namespace}:${account}`];
        expect((await run(kubectlProgram, asked)).stdout.trim(), `${verb} ${what}`).toBe("no");
      }
  });
});

describe.skipIf(skipReason)(`an agent's pod${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  test("holds no Secret, no key and no token but the one for risk", async () => {
    const pods = await list("pods", ["-l", "app.kubernetes.io/component=agent"]);
    expect(pods.length).toBeGreaterThan(0);
    for (const { metadata, spec } of pods) {
      const volumes = spec.volumes as {
        secret?: object;
        projected?: { sources: { serviceAccountToken?: { audience: string } }[] };
      }[];
      expect(JSON.stringify(spec), metadata.name).not.toMatch(/"secret|secretKeyRef|secretRef/);
      const audiences = volumes
        .flatMap(({ projected }) => projected?.sources ?? [])
        .map((source) => source.serviceAccountToken?.audience);
      expect(
        audiences.every((audience) => audience === "risk.bellwether.dev"),
        metadata.name,
      ).toBe(true);
      for (const { pid } of processesOfPod(metadata.uid)) {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        expect(environment, metadata.name).not.toMatch(/key|secret|password|token|postgres/i);
      }
    }
  });
});
