import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLogger } from "@bellwether/service-kit/logger";
import { systemClock } from "@bellwether/service-kit/clock";
import { afterEach, describe, expect, test } from "vitest";
import { Sandbox } from "./sandbox.ts";
import { stripTypes } from "./strip-types.ts";

const running: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((sandbox) => sandbox.close()));
});

async function load(source: string, limits: { callTimeoutMs?: number; memoryMiB?: number } = {}): Promise<Sandbox> {
  const options = { callTimeoutMs: 5000, memoryMiB: 32, clock: systemClock, log: silentLogger, ...limits };
  const sandbox = await Sandbox.start(options);
  running.push(sandbox);
  const code = await stripTypes(source, "demo/strategy.ts");
  await sandbox.call("load", { code, name: "demo/strategy.ts", parameters: {} }, "loading the module");
  return sandbox;
}

const onBar = (body: string): string => `import { defineStrategy } from "@bellwether/agent";
export default defineStrategy({ async onBar(context) {
${body}
} });`;

describe("a source program", () => {
  test.each([
    {
      when: "throws in onBar",
      source: onBar("  throw new Error('no idea\\nsecond line');"),
      code: "PROGRAM_THREW",
      message: "Error: no idea (demo/strategy.ts:3)",
    },
    { when: "never returns", source: onBar("for (;;);"), code: "PROGRAM_TIMEOUT", message: "onBar did not return within 300 ms" },
    {
      when: "waits for ever",
      source: onBar("await new Promise(() => {});"),
      code: "PROGRAM_TIMEOUT",
      message: "onBar did not return within 300 ms",
    },
    {
      when: "fills the heap",
      source: onBar("const all = []; for (;;) all.push({ a: all.length, b: [] });"),
      code: "PROGRAM_OUT_OF_MEMORY",
      message: "the program needs more than 32 MiB of memory",
      callTimeoutMs: 20_000,
    },
    {
      when: "allocates outside the heap",
      source: onBar(
        "const all = []; for (;;) { all.push(new Uint8Array(1 << 20).fill(1)); await new Promise((next) => setTimeout(next, 1)); }",
      ),
      code: "PROGRAM_OUT_OF_MEMORY",
      message: "the program needs more than 32 MiB of memory",
      callTimeoutMs: 20_000,
    },
    {
      when: "throws in a timer",
      source: onBar("setTimeout(() => { throw new Error('later'); }, 1); await new Promise(() => {});"),
      code: "PROGRAM_THREW",
      message: "Error: later (demo/strategy.ts:3)",
      callTimeoutMs: 20_000,
    },
  ])("that $when fails with $code", async ({ source, code, message, callTimeoutMs = 300 }) => {
    const sandbox = await load(source, { callTimeoutMs: Math.max(callTimeoutMs, 300) });
    await expect(sandbox.call("tick", {}, "onBar")).rejects.toMatchObject({ code, message });
    await expect(sandbox.call("tick", {}, "onBar")).rejects.toMatchObject({ code: expect.any(String) });
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

  test("may print", async () => {
    const sandbox = await load(onBar("console.log('hello', { a: 1 });"));
    await expect(sandbox.call("tick", {}, "onBar")).resolves.toBeUndefined();
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
    const sandbox = await load(
      onBar(`const reached = await (async () => { ${lines} })(); throw new Error("REACHED " + reached);`),
    );
    const outcome = await sandbox.call("tick", {}, "onBar").catch((error: Error) => error.message);
    expect(outcome).toMatch(/may import @bellwether\/agent only|not defined|undefined|Code generation from strings disallowed/);
  });
});
