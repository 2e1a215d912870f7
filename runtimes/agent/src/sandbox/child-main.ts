/**
 * The process a source program runs in (see sandbox.ts): started by the agent with node-arguments.ts, spoken to over IPC.
 * Everything it needs of Node is taken before the program's code is there and the globals are gone.
 */
import { performance } from "node:perf_hooks";
import process from "node:process";
import { TradingError } from "@bellwether/trading/trading-error";
import { AgentError } from "../errors.ts";
import { childMethods } from "./child-methods.ts";
import { confineGlobals } from "./confine.ts";
import { firstErrorLine } from "../interface/first-error-line.ts";
import type { AnswerMessage, CallMessage, ChildMessage } from "./protocol.ts";
import { RemoteModels } from "./remote-models.ts";

const stdout = process.stdout;
const send = (message: ChildMessage): void => void process.send?.(message);
const print = (line: string): void => void stdout.write(`${line}\n`);
const nowMs = (): number => performance.now();
const models = new RemoteModels((id, json) => send({ type: "wish", id, json }));
const methods = childMethods({ nowMs, beat: () => send({ type: "beat" }), log: print, models });

async function answer({ id, method, payload }: CallMessage): Promise<void> {
  try {
    const value = await methods[method]?.(payload);
    send({ type: "reply", id, value });
  } catch (error) {
    const { code, message } = faultOf(error);
    send({ type: "fault", id, code, message });
  }
}

function faultOf(error: unknown): { code: string; message: string } {
  if (error instanceof AgentError || error instanceof TradingError) return { code: error.code, message: error.message };
  return { code: "PROGRAM_THREW", message: firstErrorLine(error) };
}

/** A timer of the program threw, or a promise nobody waits for was rejected. */
function fail(thrown: unknown): void {
  process.send?.({ type: "failed", message: firstErrorLine(thrown) } satisfies ChildMessage, () => process.exit(70));
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.on("message", (message) => {
  const heard = message as CallMessage | AnswerMessage;
  if (heard.type === "answer") models.settle(heard.id, heard.value);
  else void answer(heard);
});
process.on("disconnect", () => process.exit(0));
const rssBytes = process.memoryUsage.rss();
confineGlobals(print);
send({ type: "ready", rssBytes });
