import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentConfigInput } from "@bellwether/agent/config";
import { type DecisionEvidence, intentReply, ordersReply } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inherited } from "../../suites/inherited.ts";
import { OpenAiStandIn } from "../../venues/llm/openai-stand-in.ts";
import { TestFiles } from "../gateway/gateway-fixture.ts";
import { GatewayFleet, type GatewayProcess } from "../gateway/gateway-process.ts";
import { type TestPostgres, freePort, postgresMissing, rowsOf, startPostgres } from "./postgres.ts";
import { Stack, eventually, market, timeframe } from "./stack.ts";

const missing = postgresMissing();
const uid = "analyst";
const main = new URL("../../../runtimes/agent/src/main.ts", import.meta.url).pathname;

const opinion = (action: string, reasoning: string): string => JSON.stringify({ reasoning, action, confidence: 0.9 });

/** Nonsense first, then it wants in until it is in, out until it is out, and has had enough. */
function newAnalyst(): (prompt: string) => string {
  let [answers, hasHeld] = [0, false];
  return (prompt) => {
    if (answers++ === 0) return "to the moon";
    const holds = !prompt.includes("Position: none.");
    hasHeld ||= holds;
    if (holds) return opinion("sell", `thought ${answers}`);
    return opinion(hasHeld ? "hold" : "buy", `thought ${answers}`);
  };
}

describe.skipIf(missing !== undefined)(`llm-analyst on the order path ${missing ?? ""}`, () => {
  const files = new TestFiles();
  const fleet = new GatewayFleet(files, [uid]);
  const model = new OpenAiStandIn({ reply: newAnalyst() });
  let postgres: TestPostgres;
  let stack: Stack;
  let gateway: GatewayProcess;
  let agent: ChildProcess;
  let health: string;

  beforeAll(async () => {
    const [database, baseUrl] = await Promise.all([startPostgres(), model.start()]);
    postgres = database;
    stack = await Stack.start({ postgres, speed: 120 });
    gateway = await fleet.start({
      route: { uid: "route-1", name: "models", namespace: "bellwether" },
      models: [
        { name: "small", openai: { model: "m", baseUrl }, price: { inputPerMillionTokens: "1", outputPerMillionTokens: "2" } },
      ],
    });
    await stack.up("broker");
    await stack.admit(uid);
    ({ agent, health } = await startAgent());
  }, 60_000);

  afterAll(async () => {
    agent?.kill("SIGKILL");
    await fleet.stop();
    await stack?.stop();
    await model.stop();
    postgres?.remove();
    files.remove();
  });

  async function startAgent(): Promise<{ agent: ChildProcess; health: string }> {
    const healthPort = await freePort();
    const config: AgentConfigInput = {
      mode: "Paper",
      strategy: { uid, name: uid, namespace: "bellwether" },
      markets: [{ symbol: market, timeframe }],
      warmupBars: 20,
      program: { builtin: "llm-analyst", parameters: { bars: 10, stopLossRatio: 0 } },
      risk: { url: stack.riskUrl, tokenFile: stack.identity.tokenFile(stack.agentSubject(uid), "risk.bellwether.dev") },
      llm: { url: gateway.url, tokenFile: files.write("gateway-token", fleet.token(uid)), timeoutMs: 5_000 },
      healthPort,
      terminationMessageFile: files.write("termination", ""),
    };
    const file = join(stack.directory, "agent.json");
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(process.execPath, [main], { env: { ...inherited(), BELLWETHER_CONFIG: file }, stdio: "ignore" });
    return { agent: child, health: `http://127.0.0.1:${healthPort}` };
  }

  /** Of decisions that asked, oldest first. */
  async function evidence(): Promise<DecisionEvidence[][]> {
    const sql = "select evidence from risk.decisions where evidence is not null order by decision_time_ms";
    return (await rowsOf(postgres.riskDsn, sql)).map((row) => (row as { evidence: DecisionEvidence[] }).evidence);
  }

  test("buys and sells on checked answers, the first one repaired, and journals every question with its decision", async () => {
    const { orders } = await eventually(
      () => stack.controller.get("/v1/orders", { schema: ordersReply, query: { strategy: uid } }),
      ({ orders: all }) => all.filter(({ order }) => order.state === "Filled").length === 2,
      60_000,
    );
    expect(orders.map(({ order }) => order.order.side)).toEqual(["sell", "buy"]);

    const id = encodeURIComponent(orders[1]!.order.order.intentId);
    const bought = await stack.controller.get(`/v1/intents/${id}`, { schema: intentReply });
    const used = {
      market,
      promptHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      model: "small",
      inputTokens: expect.any(Number) as number,
      outputTokens: expect.any(Number) as number,
      costUsd: expect.stringMatching(/^0\.000\d*[1-9]/) as string,
      cache: "miss",
    };
    expect(bought.evidence?.at(-1)).toEqual(used);
    const [first, ...later] = await evidence();
    expect(first).toEqual([{ ...used, fault: "the answer is not JSON" }, used]);
    expect(later.length).toBeGreaterThanOrEqual(2);
    for (const asked of later) expect(asked).toEqual([used]);
    const hashes = [first, ...later].flatMap((asked) => asked?.map(({ promptHash }) => promptHash) ?? []);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect((await stack.snapshot(uid)).trading.message).toBe("Trading is allowed.");
  });

  test("a thought lives from one decision to the next", async () => {
    const prompts = model.seen.map(({ body }) => JSON.stringify(body["messages"]));
    const recalled = prompts.map((prompt) => /What you thought at the last decision: (thought \d+)/.exec(prompt)?.[1]);
    // The first question and its repair had none to show; from then on each shows what the answer before it said.
    expect(recalled.length).toBeGreaterThan(2);
    expect(recalled).toEqual(recalled.map((_, index) => (index < 2 ? undefined : `thought ${index}`)));
  });

  test("a gateway that dies costs decisions, nothing else: the strategy stays ready and says what is missing", async () => {
    await gateway.end("SIGKILL");
    await eventually(evidence, (all) => all.at(-1)?.[0]?.fault?.startsWith("UNREACHABLE") === true, 60_000);
    const { length } = await evidence();
    await eventually(evidence, (all) => all.length > length + 1, 60_000);

    const { trading } = await stack.snapshot(uid);
    expect(trading).toMatchObject({
      allowed: true,
      message: expect.stringContaining("went without its models: UNREACHABLE") as string,
    });
    expect((await fetch(`${health}/readyz`)).status).toBe(200);
    const detailed = (await (await fetch(`${health}/health/detailed`)).json()) as { dependencies: object[] };
    expect(detailed.dependencies).toMatchObject([{ name: "gateway of the route", ok: false }]);
    expect(agent.exitCode).toBeNull();
  });
});
