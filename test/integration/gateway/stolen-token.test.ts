import path from "node:path";
import { TokenVerifier, silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKeeperApi } from "../../../runtimes/gateway/src/keeper/keeper-api.ts";
import { type ServiceRoute, routesOf } from "../../e2e/service-routes.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestIdentity, issuer } from "../order-path/identity.ts";
import { TestFiles, chat } from "./gateway-fixture.ts";
import { GatewayFleet, type GatewayProcess } from "./gateway-process.ts";

/*
 * Every endpoint of a gateway and of the keeper beside Ollama, read from their own sources, with tokens of others than those it is for. That the
 * bodies would be refused, too, must not be what is said: who may not ask is told so before anything is read.
 */

const audience = "gateway.bellwether.dev";
const operator = "system:serviceaccount:bellwether:bellwether-operator";
const gatewayRoutes = routesOf("gateway", "runtimes/gateway/src/server/api.ts");
const keeperRoutes = routesOf("keeper", "runtimes/gateway/src/keeper/keeper-api.ts");
const files = new TestFiles();
const fleet = new GatewayFleet(files);
const hosted = new OpenAiStandIn();

const strangers: readonly [who: string, token: () => string, status: number][] = [
  ["a strategy that names another route", () => fleet.token("beta"), 403],
  ["a ServiceAccount of the namespace that is no strategy", () => fleet.tokenOf("system:serviceaccount:bellwether:default"), 403],
  ["a strategy of that name in another namespace", () => fleet.tokenOf("system:serviceaccount:other:strat-alpha-agent"), 403],
  ["the strategy's own token for risk", () => fleet.token("alpha", "risk.bellwether.dev"), 401],
  ["nobody", () => "", 401],
];

async function statusOf(base: string, { method, route }: ServiceRoute, token: string): Promise<number> {
  const hasBody = method !== "GET";
  const reply = await fetch(`${base}${route.replace(":id", "x")}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(hasBody && { "content-type": "application/json" }) },
    ...(hasBody && { body: "{}" }),
  });
  await reply.body?.cancel();
  return reply.status;
}

describe("a token of somebody else", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await fleet.start({
      route: { uid: "route-1", name: "main", namespace: "bellwether" },
      models: [{ name: "hosted", openai: { model: "gpt-mock", baseUrl: await hosted.start() } }],
      statusReaders: [operator],
    });
  });
  afterAll(async () => {
    await fleet.stop();
    await hosted.stop();
    files.remove();
  });

  describe.each(strangers)("%s", (_who, token, status) => {
    test.each(gatewayRoutes)("$method $route of a gateway is refused", async (route) => {
      expect(await statusOf(gateway.url, route, token())).toBe(status);
    });
  });

  test("the strategies on the list are let in, and not to what is the operator's", async () => {
    expect((await gateway.chat(chat("Who am I?"))).status).toBe(200);
    expect(await statusOf(gateway.url, { service: "gateway", method: "GET", route: "/v1/status" }, fleet.token("alpha"))).toBe(
      403,
    );
  });

  test("the operator reads the status and asks nothing", async () => {
    const answers = gatewayRoutes.map((route) => statusOf(gateway.url, route, fleet.tokenOf(operator)));
    const allowed = gatewayRoutes.map(({ route }) => (route === "/v1/status" ? 200 : 403));
    expect(await Promise.all(answers)).toEqual(allowed);
  });

  test("at a keeper nobody but the operator gets anything", async () => {
    const identity = new TestIdentity(path.join(path.dirname(files.write("keeper", "")), "of-the-keeper"));
    const verifier = new TokenVerifier({ issuer, audience, jwksFile: identity.jwksFile, clock: systemClock });
    const status = () => ({ phase: "Ready", message: "loaded" }) as const;
    const keeper = createKeeperApi({ verifier, statusReaders: [operator], status, log: silentLogger });
    const url = await keeper.listen({ port: 0, host: "127.0.0.1" });
    const ask = (subject: string, forAudience = audience): Promise<number[]> =>
      Promise.all(keeperRoutes.map((route) => statusOf(url, route, identity.token(subject, forAudience))));
    try {
      expect(keeperRoutes).toHaveLength(1);
      const agent = "system:serviceaccount:bellwether:strat-alpha-agent";
      expect([await ask(operator), await ask(agent), await ask(agent, "risk.bellwether.dev")]).toEqual([[200], [403], [401]]);
    } finally {
      await keeper.close();
    }
  });
});
