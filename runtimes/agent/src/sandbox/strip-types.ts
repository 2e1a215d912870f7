import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { AgentError } from "../errors.ts";

/**
 * Runs in a process of its own that ends at once: the parser behind `stripTypeScriptTypes` would stay in memory (20 MiB)
 * of whoever calls it.
 */
const stripper = `
  import { readFileSync } from "node:fs";
  import { stripTypeScriptTypes } from "node:module";
  try {
    process.stdout.write(JSON.stringify({ code: stripTypeScriptTypes(readFileSync(0, "utf8")) }));
  } catch (error) {
    process.stdout.write(JSON.stringify({ fault: error.message }));
  }`;

const longestProgramBytes = 1024 * 1024;

/**
 * Turns a program's TypeScript into JavaScript. Lines and columns stay where they are, so that errors point into the original.
 *
 * @throws AgentError BAD_PROGRAM when it is no TypeScript that only needs its types removed
 */
export async function stripTypes(source: string, name: string): Promise<string> {
  if (Buffer.byteLength(source) > longestProgramBytes) {
    throw new AgentError("BAD_PROGRAM", `${name} is longer than ${longestProgramBytes} bytes`);
  }
  const node = ["--permission", "--no-warnings", "--input-type=module", "--eval", stripper];
  const child = spawn(process.execPath, node, { env: {}, stdio: ["pipe", "pipe", "ignore"] });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  child.stdin.on("error", () => undefined); // The exit code tells what happened.
  child.stdin.end(source);
  const output = await text(child.stdout);
  if ((await closed) !== 0) throw new AgentError("BAD_PROGRAM", `${name} cannot be parsed as TypeScript`);

  const result = JSON.parse(output) as { code: string } | { fault: string };
  if ("code" in result) return result.code;
  throw new AgentError("BAD_PROGRAM", `${name}: ${result.fault.split("\n")[0]}`);
}
