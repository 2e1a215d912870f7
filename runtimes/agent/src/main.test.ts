import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { type AgentConfigInput, type TerminationMessage, exitCodes, terminationMessage } from "./config.ts";
import { scriptedGateway } from "./llm/testing/scripted-gateway.ts";
import { FakeRisk, makeBar } from "./loop/testing/fake-risk.ts";

/** As the image has it: two bundles side by side, no node_modules, no source. */
const folder = mkdtempSync(path.join(tmpdir(), "bellwether-agent-"));
const minute = 60_000;
const running: ChildProcess[] = [];

beforeAll(async () => {
  const banner =
    'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';
  await build({
    entryPoints: {
      main: path.join(import.meta.dirname, "main.ts"),
      sandbox: path.join(import.meta.dirname, "sandbox/child-main.ts"),
    },
    outdir: path.join(folder, "app"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: banner },
    logLevel: "silent",
  });
}, 60_000);

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

function write(name: string, content: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

interface Agent {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly message: TerminationMessage | undefined }>;
}

let agents = 0;

function startAgent(config: AgentConfigInput | string): Agent {
  const number = ++agents;
  const terminationMessageFile = write(`termination-${number}`, "");
  const text = typeof config === "string" ? config : JSON.stringify({ ...config, healthPort: 0, terminationMessageFile });
  const file = write(`config-${number}.json`, text);
  const child = spawn(process.execPath, [path.join(folder, "app/main.mjs")], {
    env: { BELLWETHER_CONFIG: file },
    stdio: "ignore",
  });
  running.push(child);
  const ended = once(child, "exit").then(([code]) => {
    const said = readFileSync(terminationMessageFile, "utf8");
    return { code: code as number | null, message: said === "" ? undefined : terminationMessage.parse(JSON.parse(said)) };
  });
  return { child, ended };
}

const identity = {
  strategy: { uid: "u-1", name: "demo", namespace: "bellwether" },
  markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
};

function backtestConfig(
  program: AgentConfigInput["program"],
  dataset: object = { synthetic: { seed: 1, bars: 3000 } },
): AgentConfigInput {
  return {
    mode: "Backtest",
    ...identity,
    program,
    backtest: {
      dataset: dataset as { file: string },
      startingBalances: [{ asset: "USDT", amount: "10000" }],
      baseCurrency: "USDT",
    },
  };
}

function source(body: string): AgentConfigInput["program"] {
  const text = `import { defineStrategy } from "@bellwether/agent";\nexport default defineStrategy({ onBar(context: any) { ${body} } });\n`;
  return { source: { file: write(`strategy-${agents}.ts`, text), name: "mine/strategy.ts" } };
}

describe("the agent's image runs a backtest", () => {
  test("of a builtin and of the same program as a source to the same digest, and completes", async () => {
    const momentum = { source: { file: path.join(import.meta.dirname, "programs/momentum.ts"), name: "mine/momentum.ts" } };
    const builtin = await startAgent(backtestConfig({ builtin: "momentum" })).ended;
    expect(builtin).toMatchObject({ code: exitCodes.completed, message: { reason: "Completed", backtest: { bars: 3000 } } });
    expect(await startAgent(backtestConfig(momentum)).ended).toEqual(builtin);
  });

  test.each([
    {
      when: "its program throws",
      config: () => backtestConfig(source("throw new Error('no idea')")),
      code: exitCodes.programFailed,
      message: { reason: "ProgramFailed", message: "Error: no idea (mine/strategy.ts:2)" },
    },
    {
      when: "its program allocates without end",
      config: () => backtestConfig(source("const all: unknown[] = []; for (;;) all.push([all.length])")),
      code: exitCodes.programFailed,
      message: { reason: "ProgramFailed", message: "the program needs more than 64 MiB of memory" },
    },
    {
      when: "a parameter is wrong",
      config: () => backtestConfig({ builtin: "momentum", parameters: { fast: 0 } }),
      code: exitCodes.programFailed,
      message: { reason: "ProgramFailed", message: "parameter fast is 0: must be a whole number from 1 to 499" },
    },
    {
      when: "a bar is wrong",
      config: () =>
        backtestConfig(
          { builtin: "momentum" },
          { file: write("bars.csv", "timestamp,open,high,low,close,volume\n0,1,1,1,-1,1\n") },
        ),
      code: exitCodes.badInput,
      message: { reason: "BadInput", message: expect.stringContaining("line 2") as string },
    },
  ])("that ends with its reason when $when", async ({ config, code, message }) => {
    expect(await startAgent(config()).ended).toEqual({ code, message });
  });

  test("of a program that asks models: recorded on the first run, replayed on the next without any", async () => {
    const gateway = await scriptedGateway();
    const llm = {
      url: gateway.url,
      tokenFile: write("gateway-token", "canary"),
      answersFile: path.join(folder, "answers.jsonl"),
    };
    const config = {
      ...backtestConfig({ builtin: "llm-analyst", parameters: { bars: 10 } }, { synthetic: { seed: 1, bars: 260 } }),
      llm,
    };
    const first = await startAgent(config).ended;
    const asked = gateway.asked();
    await gateway.close();
    expect(first).toMatchObject({ code: exitCodes.completed, message: { backtest: { bars: 260 } } });
    expect(asked).toBeGreaterThan(9);
    expect(await startAgent(config as AgentConfigInput).ended).toEqual(first);
    const another = { ...config, llm: { ...llm, answersFile: path.join(folder, "other.jsonl") } } as AgentConfigInput;
    expect(await startAgent(another).ended).toMatchObject({ code: exitCodes.crashed, message: { reason: "Crashed" } });
  });

  test("that does not start on a wrong configuration", async () => {
    expect(await startAgent("{}").ended).toMatchObject({ code: exitCodes.badConfig });
  });
});

describe("the agent's image trades on paper", () => {
  async function startOnPaper(program: AgentConfigInput["program"]): Promise<{ risk: FakeRisk; agent: Agent }> {
    const risk = await FakeRisk.start();
    risk.bars.set("BTC/USDT", [makeBar(0, 100)]);
    const tokenFile = write("token", "canary");
    const agent = startAgent({ mode: "Paper", ...identity, program, risk: { url: risk.url, tokenFile } });
    await risk.until(() => risk.openStreams === 1 && risk.barsServed >= 2);
    return { risk, agent };
  }

  test.each([
    { kind: "a builtin", program: (): AgentConfigInput["program"] => ({ builtin: "dca" }) },
    { kind: "a source program", program: () => source("context.buy({ quantity: '1' });") },
  ])("with $kind, and stops in order when told to", async ({ program }) => {
    const { risk, agent } = await startOnPaper(program());
    risk.close1m("BTC/USDT", minute, 101);
    await risk.until(() => risk.decisions.length === 1);
    expect(risk.decisions[0]).toMatchObject({ decisionTime: 2 * minute, intents: [{ side: "buy", signalPrice: "101" }] });
    agent.child.kill("SIGTERM");
    expect(await agent.ended).toEqual({ code: 0, message: undefined });
    await risk.close();
  });

  test("until its program fails", async () => {
    const { risk, agent } = await startOnPaper(source("if (context.closes.length > 2) throw new Error('no idea');"));
    risk.close1m("BTC/USDT", minute, 101);
    await risk.until(() => risk.decisions.length === 1);
    risk.close1m("BTC/USDT", 2 * minute, 102);
    const message = { reason: "ProgramFailed", message: "Error: no idea (mine/strategy.ts:2)" };
    expect(await agent.ended).toEqual({ code: exitCodes.programFailed, message });
    await risk.close();
  });
});
