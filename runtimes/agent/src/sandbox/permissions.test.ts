import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { nodeArguments } from "./node-arguments.ts";

const run = promisify(execFile);

/** Tries everything with Node's own modules at hand: what is left when the refusal of imports were ever got around. */
const probe = `
import fs from "node:fs";
const attempts = {
  "read the token": () => fs.readFileSync(process.argv[2], "utf8"),
  "read the environment of the agent": () => fs.readFileSync("/proc/" + process.ppid + "/environ", "utf8"),
  "write a file": () => fs.writeFileSync(process.argv[2] + ".new", ""),
  "start a process": async () => (await import("node:child_process")).spawnSync("id"),
  "start a thread": async () => new (await import("node:worker_threads")).Worker("1", { eval: true }),
  "open a debugger": async () => (await import("node:inspector")).open(0),
  "debug itself": async () => new (await import("node:inspector")).Session().connect(),
  "load native code": () => process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6"),
  "reach internals": () => process.binding("fs"),
  "run a WASI program": async () => new (await import("node:wasi")).WASI({ version: "preview1" }),
  "open a database file": async () => (await import("node:sqlite")),
  "make code from text": () => Function("return 1")(),
};
const outcomes = { environment: Object.keys(process.env) };
for (const [name, attempt] of Object.entries(attempts)) {
  try { await attempt(); outcomes[name] = "possible"; } catch (error) { outcomes[name] = "refused"; }
}
console.log(JSON.stringify(outcomes));
`;

test("Node itself refuses a program's process everything but its own code", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-permissions-"));
  const file = path.join(folder, "code", "probe.mjs");
  const token = path.join(folder, "token");
  writeFileSync(token, "canary");
  await import("node:fs/promises").then(({ mkdir }) => mkdir(path.dirname(file)));
  writeFileSync(file, probe);

  const command = [...nodeArguments({ file, readable: [`${path.dirname(file)}/`] }, 32), token];
  const { stdout } = await run(process.execPath, command, { env: {} });
  const { environment, ...outcomes } = JSON.parse(stdout) as Record<string, unknown>;
  expect(environment).toEqual([]);
  expect(outcomes).not.toEqual({});
  expect(Object.entries(outcomes).filter(([, outcome]) => outcome !== "refused")).toEqual([]);
});
