import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply, get, kubectl, list, run, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { processesOfPod } from "../cluster/processes.ts";
import { type ServiceRoute, routesOf } from "./service-routes.ts";
import { applyTinyModel, tinyModel } from "./tiny-model.ts";

/*
 * Somebody has got hold of everything in an agent's pod: its token is all there is, and all it is good for is what the agent does anyway. Every route
 * of every service is called with it, read from the services' own sources, so that no new one is forgotten here.
 */

const strategy = "quickstart-momentum";
const account = "strat-quickstart-momentum-agent";
const namespace = "bellwether";
const apiPort = 8080;
const root = path.resolve(import.meta.dirname, "../..");
/** A route that the strategy does not name. */
const llmRoute = "not-for-thieves";
const timeoutMs = 120_000;
const ofPolicy = ",app.kubernetes.io/instance=quickstart";
const ofRoute = `,bellwether.dev/llmroute=${llmRoute}`;
const services = [
  { service: "risk", sources: "runtimes/risk/src/api/**/*.ts", at: namespace, labels: `risk${ofPolicy}` },
  { service: "broker", sources: "runtimes/broker/src/api*.ts", at: namespace, labels: `broker${ofPolicy}` },
  { service: "node-agent", sources: "runtimes/node-agent/src/api.ts", at: "bellwether-node", labels: "node-agent" },
  { service: "gateway", sources: "runtimes/gateway/src/server/api.ts", at: namespace, labels: `gateway${ofRoute}` },
  // The process beside Ollama takes tokens of the gateways' audience.
  { service: "gateway/keeper", sources: "runtimes/gateway/src/keeper/keeper-api.ts", at: namespace, labels: `ollama${ofRoute}` },
] as const;
const audienceOf = (service: string): string => `${service.split("/")[0]}.bellwether.dev`;

/** What an agent needs: to decide, and to see what it decides from. Everything else is refused. */
const granted: ReadonlySet<string> = new Set([
  "risk POST /v1/intents",
  "risk GET /v1/strategies/:uid",
  "risk GET /v1/bars",
  "risk GET /v1/stream",
]);

const routes: readonly ServiceRoute[] = services.flatMap(({ service, sources }) => routesOf(service, sources));

/** A body that the route would take from somebody else, so that the refusal is about who asks. */
function bodyOf({ method, route }: ServiceRoute): object | undefined {
  if (method === "GET" || method === "DELETE") return undefined;
  const who = { who: "a thief", reason: "exercise" };
  if (route.endsWith("/reset-breaker")) return { ...who, type: "RapidLoss" };
  if (route.endsWith("/adopt")) return { ...who, account: "paper" };
  if (route.includes("/control/")) return who;
  return route.endsWith("/halt") ? { reason: "exercise" } : {};
}

async function call(route: ServiceRoute, { token, host, uid }: { token: string; host: string; uid: string }): Promise<number> {
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

/** Of a pod that answers; not all of these are Ready soon, a keeper is when its model is loaded. */
async function hostOf({ service, at, labels }: (typeof services)[number]): Promise<string> {
  return waitFor(
    async () => {
      const pods = await list("pods", ["-n", at, "-l", `app.kubernetes.io/component=${labels}`]);
      const host = pods.find(({ status }) => status?.phase === "Running")?.status.podIP as string | undefined;
      const reply = await fetch(`http://${host}:${apiPort}/`).catch(() => undefined);
      return reply?.status === 401 ? host : undefined;
    },
    { timeoutMs, what: `an address of ${service}` },
  );
}

const localRoute = {
  apiVersion: "bellwether.dev/v1alpha1",
  kind: "LlmRoute",
  metadata: { name: llmRoute },
  spec: {
    models: [
      {
        name: "local",
        ollama: {
          model: "tiny",
          source: { configMapRef: tinyModel },
          contextTokens: 2048,
          cpus: 1,
          memory: "512Mi",
          pinning: "Shared",
        },
      },
    ],
  },
};

describe.skipIf(skipReason)(`a stolen agent's token${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  let uid = "";
  const tokens = new Map<string, string>();
  const hosts = new Map<string, string>();

  const tokenOf = async (holder: string, service: string): Promise<string> =>
    (await kubectl(["create", "token", holder, "--audience", audienceOf(service), "-n", namespace])).trim();

  beforeAll(async () => {
    await applyTinyModel();
    await apply(JSON.stringify(localRoute));
    uid = (await get("strategy", strategy))?.metadata.uid ?? "";
    for (const each of services) {
      // More than a thief has: the agent's pod holds a token for risk alone, and nobody in it can ask for another.
      tokens.set(each.service, await tokenOf(account, each.service));
      hosts.set(each.service, await hostOf(each));
    }
  }, timeoutMs);
  afterAll(async () => {
    await kubectl(["delete", "llmroute", llmRoute, "--ignore-not-found"], { timeoutMs });
    await kubectl(["delete", "configmap", tinyModel.name, "--ignore-not-found"]);
  }, timeoutMs);
  const at = (service: string) => ({ token: tokens.get("risk") ?? "", host: hosts.get(service) ?? "", uid });

  test("is tried at every route there is", () => {
    expect(new Set(routes.map(({ service }) => service)).size).toBe(services.length);
    expect(routes.filter(({ service }) => service === "gateway").length).toBeGreaterThanOrEqual(8);
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

  test.each(routes.filter(({ service }) => service.startsWith("gateway")))(
    "$service $method $route: nothing for who is no strategy",
    async (route) => {
      const token = await tokenOf("default", route.service);
      expect(await call(route, { ...at(route.service), token })).toBe(403);
    },
  );

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
