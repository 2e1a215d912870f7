import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLogger } from "@bellwether/service-kit/logger";
import { systemClock } from "@bellwether/service-kit/clock";
import { afterEach, describe, expect, test } from "vitest";
import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import { RecordedModels, answersHeader } from "../llm/recorded-models.ts";
import { ScriptedModels } from "../llm/testing/scripted-models.ts";
import type { DecisionOutput } from "../program/session.ts";
import { SandboxedRunner } from "./sandboxed-runner.ts";

const running: SandboxedRunner[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((runner) => runner.close()));
});

const minute = 60_000;

interface Limits {
  readonly callTimeoutMs?: number;
  readonly memoryMiB?: number;
  readonly models?: ModelPort;
}

async function load(text: string, limits: Limits = {}): Promise<SandboxedRunner> {
  // Long enough for a machine that is busy: only the tests of the limit itself set a short one.
  const options = { callTimeoutMs: 30_000, memoryMiB: 32, clock: systemClock, log: silentLogger, ...limits };
  const runner = await SandboxedRunner.start({ text, name: "demo/strategy.ts", parameters: { size: "0.5" } }, options);
  running.push(runner);
  await runner.open({ markets: [{ symbol: "BTC/USDT", timeframe: "1m", timeframeMs: minute }], seed: 1, state: '{"n":1}' });
  return runner;
}

function ask(runner: SandboxedRunner, close = 100): Promise<DecisionOutput> {
  return runner.decide({
    decisionTime: minute,
    bars: [{ market: 0, bar: { time: 0, open: close, high: close, low: close, close, volume: 1 } }],
    decideOn: [0],
    account: { equity: "1000", cash: "400", positions: { "BTC/USDT": { quantity: "2", averagePrice: "90" } }, orders: [] },
    fills: [],
    rejections: [],
    isBacklog: false,
  });
}

const onBar = (body: string): string => `import { defineStrategy } from "@bellwether/agent";
export default defineStrategy({ parameters: { size: "1" }, async onBar(context) {
${body}
} });`;

const asking = (body: string): string => `import { askFor, defineStrategy, z } from "@bellwether/agent";
const up = z.strictObject({ up: z.boolean() });
const question = { messages: [{ role: "user", content: "up?" }] };
export default defineStrategy({ parameters: { size: "1" }, async onBar(context) {
${body}
} });`;

describe("a source program that asks models", () => {
  test("gets checked answers and its last thought from the host, and its questions come with the decision", async () => {
    const models = new ScriptedModels((_question, count) => (count === 1 ? "surely" : '{"up":true}'));
    const text = asking(`
  const said = await askFor(context.llm, up, question);
  if (said.answered && said.value.up) context.buy({ quantity: "1" });
  context.log(JSON.stringify(await context.llm.recall()));
  context.llm.remember({ n: 7 });`);
    const runner = await load(text, { models });
    const first = await ask(runner);
    expect([first.intents.length, first.log, first.evidence?.map(({ fault }) => fault)]).toEqual([
      1,
      ["undefined"],
      ["the answer is not JSON", undefined],
    ]);
    expect((await ask(runner)).log).toEqual(['{"n":7}']);
    expect(models.asked[0]).toMatchObject({
      model: "auto",
      messages: [{ content: "up?" }],
      format: { schema: { type: "object" } },
    });
  });

  test("has its own time limit stand still while it waits for an answer, and not a moment longer", async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const models = new ScriptedModels(() => '{"up":true}');
    const slow: ModelPort = { ...noModels, ask: (question) => released.then(() => models.ask(question)) };
    const text = asking("await context.llm.ask(question); for (;;);");
    const asked = ask(await load(text, { models: slow, callTimeoutMs: 300 })).catch((error: unknown) => error);
    await systemClock.sleep(1_000);
    expect(await Promise.race([asked, Promise.resolve("it waits")])).toBe("it waits");
    release();
    expect(await asked).toMatchObject({ code: "PROGRAM_TIMEOUT" });
  });

  test.each([
    {
      when: "answers are recorded and lack its own",
      body: "try { await context.llm.ask(question); } catch {}",
      models: new RecordedModels({ text: answersHeader, append: () => Promise.resolve() }),
      code: "ANSWER_MISSING",
    },
    {
      when: "it asks something that is no question",
      body: "await context.llm.ask({ messages: [{ role: 'root', content: 'up?' }] });",
      models: noModels,
      code: "PROGRAM_MISBEHAVED",
    },
    {
      when: "it asks again and again, and never returns",
      body: "for (;;) await context.llm.recall();",
      models: noModels,
      code: "PROGRAM_TIMEOUT",
      callTimeoutMs: 300,
    },
    {
      when: "it asks without end",
      body: "for (;;) context.llm.remember(1);",
      models: { ...noModels, remember: () => new Promise<never>(() => undefined) } as unknown as ModelPort,
      code: "PROGRAM_MISBEHAVED",
    },
  ])("is ended when $when", async ({ body, models, code, callTimeoutMs = 30_000 }) => {
    await expect(ask(await load(asking(body), { models, callTimeoutMs }))).rejects.toMatchObject({ code });
  });

  test("without a route goes on without answers", async () => {
    const output = await ask(await load(asking("context.log((await context.llm.ask(question)).reason);")));
    expect(output).toMatchObject({ log: ["NO_ROUTE"], intents: [] });
    expect(output.evidence).toBeUndefined();
  });
});

describe("a source program", () => {
  test.each([
    {
      when: "throws in onBar",
      source: onBar("  throw new Error('no idea\\nsecond line');"),
      code: "PROGRAM_THREW",
      message: "Error: no idea (demo/strategy.ts:3)",
    },
    {
      when: "never returns",
      source: onBar("for (;;);"),
      code: "PROGRAM_TIMEOUT",
      message: "onBar did not return within 300 ms",
      callTimeoutMs: 300,
    },
    {
      when: "waits for ever",
      source: onBar("await new Promise(() => {});"),
      code: "PROGRAM_TIMEOUT",
      message: "onBar did not return within 300 ms",
      callTimeoutMs: 300,
    },
    {
      when: "fills the heap",
      source: onBar("const all = []; for (;;) all.push({ a: all.length, b: [] });"),
      code: "PROGRAM_OUT_OF_MEMORY",
      message: "the program needs more than 32 MiB of memory",
    },
    {
      when: "allocates outside the heap",
      source: onBar(
        "const all = []; for (;;) { all.push(new Uint8Array(1 << 20).fill(1)); await new Promise((next) => setTimeout(next, 1)); }",
      ),
      code: "PROGRAM_OUT_OF_MEMORY",
      message: "the program needs more than 32 MiB of memory",
    },
    {
      when: "throws in a timer",
      source: onBar("setTimeout(() => { throw new Error('later'); }, 1); await new Promise(() => {});"),
      code: "PROGRAM_THREW",
      message: "Error: later (demo/strategy.ts:3)",
    },
  ])("that $when fails with $code", async ({ source, code, message, callTimeoutMs }) => {
    const runner = await load(source, callTimeoutMs === undefined ? {} : { callTimeoutMs });
    await expect(ask(runner)).rejects.toMatchObject({ code, message });
  });

  test.each([
    { when: "has a syntax error", source: "const x: = 1", code: "BAD_PROGRAM" },
    { when: "needs more than its types removed", source: "enum A { B }", code: "BAD_PROGRAM" },
    { when: "throws while loading", source: "throw new TypeError('early')", code: "PROGRAM_THREW" },
    { when: "exports no strategy", source: "export default { onBar() {} }", code: "BAD_PROGRAM" },
    { when: "exports nothing", source: "", code: "BAD_PROGRAM" },
    {
      when: "has no onBar",
      source: 'import { defineStrategy } from "@bellwether/agent"; export default defineStrategy({})',
      code: "BAD_PROGRAM",
    },
    { when: "imports a file beside it", source: 'import "./other.ts"', code: "BAD_PROGRAM" },
    { when: "imports what the interface does not have", source: 'import { keys } from "@bellwether/agent"', code: "BAD_PROGRAM" },
  ])("that $when does not load", async ({ source, code }) => {
    await expect(load(source)).rejects.toMatchObject({ code });
  });

  test("sees its market and decides on it", async () => {
    const runner = await load(
      onBar(`
        type Cents = number;
        const half: Cents = Number(context.parameters.size) * Number(context.position.quantity);
        context.state.n = Number(context.state.n) + 1;
        context.log([context.market, context.equity, context.cash, context.closes.at(0), half].join(" "));
        if (context.bars(1)[0].close > 100) context.sell({ quantity: String(half), limit: "101.5" });
        console.log("printed", { a: 1 });`),
    );
    expect(await ask(runner)).toEqual({
      intents: [],
      cancels: [],
      replaces: [],
      state: '{"n":2}',
      log: ["BTC/USDT 1000 400 100 1"],
    });
    const { intents, state } = await ask(runner, 102);
    expect(intents).toMatchObject([{ side: "sell", size: { quantity: "1" }, limit: "101.5", signalPrice: "102" }]);
    expect(state).toBe('{"n":3}');
    await runner.restoreState('{"n":1}');
    expect(await ask(runner)).toMatchObject({ state: '{"n":2}' });
  });

  test("that asks for what is no order fails with the reason", async () => {
    const runner = await load(onBar("context.buy({ quantity: 0.1 });"));
    await expect(ask(runner)).rejects.toMatchObject({
      code: "PROGRAM_THREW",
      message: expect.stringContaining("quantity is 0.1, must be a decimal string greater than 0") as string,
    });
  });

  test("gets its parameters checked", async () => {
    await expect(
      load('import { defineStrategy, integer } from "@bellwether/agent"; export default defineStrategy({ onBar() {} })'),
    ).rejects.toMatchObject({ code: "BAD_PARAMETERS", message: "parameter size is unknown (known: none)" });
  });
});

describe("a source program cannot", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-sandbox-"));
  const token = path.join(folder, "token");
  writeFileSync(token, "canary");

  /** The ways in that a module has: by import, through what Node leaves on the global object, by making code. */
  test.each([
    { way: "import a file system", body: 'return (await import("node:fs")).readFileSync(TOKEN, "utf8");' },
    { way: "import a process", body: 'return (await import("node:child_process")).execFileSync("id");' },
    { way: "import a thread", body: 'return new (await import("node:worker_threads")).Worker("1", { eval: true });' },
    { way: "import a debugger", body: 'return (await import("node:inspector")).open(0);' },
    { way: "import the network", body: 'return (await import("node:net")).connect(1);' },
    { way: "import a file as a module", body: "return await import(`file://${TOKEN}`);" },
    { way: "reach process", body: "return globalThis.process.env;" },
    { way: "fetch", body: 'return await fetch("http://127.0.0.1:1");' },
    { way: "reach a socket through console", body: "return new console._stdout.constructor();" },
    { way: "make code from text", body: 'return Function("return process")();' },
    { way: "make code that imports", body: "return eval(\"import('node:fs')\");" },
    { way: "require", body: 'return require("node:fs");' },
  ])("$way", async ({ body }) => {
    const lines = body.replaceAll("TOKEN", JSON.stringify(token).replaceAll('"', "'"));
    const runner = await load(
      onBar(`const reached = await (async () => { ${lines} })(); throw new Error("REACHED " + reached);`),
    );
    const outcome = await ask(runner).catch((error: Error) => error.message);
    expect(outcome).toMatch(/may import @bellwether\/agent only|not defined|undefined|Code generation from strings disallowed/);
  });
});
