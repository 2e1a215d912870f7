import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { network } from "@bellwether/k3s/source";
import { apply, condition, get, kubectl, list, query, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { processesOfPod } from "../cluster/processes.ts";
import { OpenAiStandIn } from "../venues/llm/openai-stand-in.ts";
import { riskPolicy, strategy } from "./manifests.ts";
import { applyTinyModel, tinyModel } from "./tiny-model.ts";

/*
 * A route with a real Ollama on a core of its own and a hosted model that this process plays. There is one exclusive core: the quickstart makes room.
 */

const route = "mixed";
const analyst = "llm-analyst";
const past = "llm-analyst-past";
const gateway = `llmr-${route}-gateway`;
const key = "sk-end-to-end-canary-7f3a";
const quickstart = "quickstart-momentum";
const timeoutMs = 120_000;

/** In and out again: what an analyst answers whose every look has something to do. */
function opinions(): (prompt: string) => string {
  let asked = 0;
  return () => {
    asked += 1;
    return JSON.stringify({ reasoning: `look ${asked}`, action: asked % 2 === 1 ? "buy" : "sell", confidence: 0.9 });
  };
}

const routeManifest = (baseUrl: string): object => ({
  apiVersion: "bellwether.dev/v1alpha1",
  kind: "LlmRoute",
  metadata: { name: route },
  spec: {
    models: [
      {
        name: "local",
        tier: "Small",
        ollama: {
          model: "tiny",
          source: { configMapRef: tinyModel },
          contextTokens: 2048,
          cpus: 1,
          memory: "512Mi",
        },
      },
      {
        name: "hosted",
        tier: "Large",
        price: { inputPerMillionTokens: "1", outputPerMillionTokens: "10" },
        openai: { model: "gpt-of-the-test", baseUrl, apiKeySecretRef: { name: "hosted-model", key: "api-key" } },
      },
    ],
    // Every question is hard enough for the hosted one.
    routing: { complexityThreshold: "0", fallback: ["local"] },
    budget: { monthlyUsd: "5" },
  },
});

const suspend = (value: boolean): Promise<string> =>
  kubectl(["patch", "strategy", quickstart, "--type=merge", "-p", JSON.stringify({ spec: { suspend: value } })]);

const isPinnedAndReady = () =>
  waitFor(
    async () => {
      const found = await get("llmroute", route);
      return found?.status?.ready === "2/2" && condition(found, "Pinned")?.status === "True" ? found : undefined;
    },
    { timeoutMs, what: "both models ready, the local one pinned" },
  );

async function gatewayHost(): Promise<string> {
  const pods = await list("pods", ["-l", `app.kubernetes.io/component=gateway,bellwether.dev/llmroute=${route}`]);
  return pods.find(({ metadata }) => metadata.deletionTimestamp === undefined)?.status?.podIP as string;
}

interface Asked {
  readonly status: number;
  readonly model: string | null;
}

/** As the analyst's pod would: with its ServiceAccount's token for the route's gateway. */
async function ask(content: string): Promise<Asked> {
  const token = await kubectl(["create", "token", `strat-${analyst}-agent`, "--audience", "gateway.bellwether.dev"]);
  const reply = await fetch(`http://${await gatewayHost()}:8080/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "auto", max_tokens: 16, messages: [{ role: "user", content }] }),
    signal: AbortSignal.timeout(60_000),
  });
  await reply.body?.cancel();
  return { status: reply.status, model: reply.headers.get("x-bellwether-model") };
}

/** How many questions the gateway has had from this strategy. */
async function questionsOf(name: string): Promise<number> {
  const metrics = await (await fetch(`http://${await gatewayHost()}:9090/metrics`)).text();
  const lines = metrics.split("\n").filter((line) => line.startsWith(`bellwether_gateway_requests_total{strategy="${name}"`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function ordersOfAnalyst(): Promise<number> {
  const uid = (await get("strategy", analyst))?.metadata.uid ?? "";
  return Number((await query(`SELECT count(*) AS n FROM risk.orders WHERE strategy_uid = '${uid}'`))[0]?.["n"] ?? 0);
}

describe.skipIf(skipReason)(`a route of language models${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  const hosted = new OpenAiStandIn({ key, reply: opinions() });

  beforeAll(async () => {
    await suspend(true);
    await applyTinyModel();
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "hosted-model" }, stringData: { "api-key": key } };
    await apply(JSON.stringify(secret));
    await apply(riskPolicy("llm"));
    await apply(JSON.stringify(routeManifest(await hosted.start(0, network.nodeIp))));
  }, timeoutMs);
  afterAll(async () => {
    await kubectl(["delete", "strategy", analyst, past, "--ignore-not-found"], { timeoutMs });
    await kubectl(["delete", "llmroute", route, "--ignore-not-found"], { timeoutMs });
    await kubectl(["delete", "riskpolicy", "llm", "--ignore-not-found"], { timeoutMs });
    await kubectl(["delete", "configmap,secret", tinyModel.name, "hosted-model", "--ignore-not-found"]);
    await hosted.stop();
    await suspend(false);
  }, timeoutMs);

  test("gives Ollama a core of its own: what status says is what its processes have, and it computes with one thread", async () => {
    const { status } = await isPinnedAndReady();
    const local = status.models.find(({ name }: { name: string }) => name === "local");
    expect(local).toMatchObject({ ready: true, threads: 1 });
    expect(Number(local.tokensPerSecond)).toBeGreaterThan(0);
    const pod = await get("pod", `llmr-${route}-ollama-local-0`);
    const processes = processesOfPod(pod?.metadata.uid ?? "none").filter(({ command }) => command.includes("runner"));
    expect(processes.length).toBeGreaterThan(0);
    for (const { cpusAllowed } of processes) expect(cpusAllowed).toBe(local.cpus);
  });

  test("carries an analyst that trades on paper, and shows what it has spent and which cores it has", async () => {
    await apply(
      strategy({
        name: analyst,
        policy: "llm",
        program: "{builtin: {name: llm-analyst, parameters: {bars: 10}}}",
        extra: `  llmRouteRef: {name: ${route}}`,
      }),
    );
    await waitFor(async () => (await ordersOfAnalyst()) > 0, { timeoutMs, what: "an order of the analyst" });
    const spent = await waitFor(
      async () => {
        const { budget } = (await get("llmroute", route))?.status ?? {};
        return Number(budget?.spentUsd) > 0 ? (budget.spentUsd as string) : undefined;
      },
      { timeoutMs, what: "money spent in the route's status" },
    );
    const table = await kubectl(["get", "llmr", route]);
    expect(table).toMatch(/NAME\s+READY\s+MODELS\s+SPENT\s+BUDGET\s+HIT%\s+CPUS\s+AGE/);
    expect(table).toMatch(/mixed\s+True\s+2\/2\s+\d+\.\d+\s+Available\s+\d+\.\d\d\s+1\s/);
    expect(Number(spent)).toBeLessThan(5);
  });

  test("lets a backtest ask once, and replays what was answered when it runs again", async () => {
    const extra = `  llmRouteRef: {name: ${route}}\n  backtest: {dataset: {synthetic: {seed: 3, bars: 230}}, seed: 1}`;
    const program = "{builtin: {name: llm-analyst, parameters: {bars: 10}}}";
    await apply(strategy({ name: past, policy: "llm", mode: "Backtest", program, extra }));
    const completed = (before?: string) =>
      waitFor(
        async () => {
          const { phase, specHash, backtest } = (await get("strategy", past))?.status ?? {};
          return phase === "Completed" && specHash !== before ? { specHash, trades: backtest.trades as number } : undefined;
        },
        { timeoutMs, what: "the result of a backtest" },
      );
    const first = await completed();
    const asked = await questionsOf(past);
    expect(asked).toBeGreaterThan(10);
    await kubectl(["patch", "strategy", past, "--type=merge", "-p", '{"spec":{"backtest":{"seed":2}}}']);
    expect((await completed(first.specHash)).trades).toBe(first.trades);
    expect(await questionsOf(past)).toBe(asked);
  });

  test("falls back to the local model within one request when the provider is gone, and quotes no key anywhere", async () => {
    expect(await ask("What moves the price of bitcoin today?")).toEqual({ status: 200, model: "hosted" });
    await hosted.stop();
    expect(await ask("And what moves the price of ether?")).toEqual({ status: 200, model: "local" });
    const said = JSON.stringify(await get("llmroute", route)) + (await kubectl(["logs", `deployment/${gateway}`]));
    expect(said).not.toContain(key);
  });
});
