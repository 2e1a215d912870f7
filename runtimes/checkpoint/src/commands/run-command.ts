import { CodedError, messageOf } from "@bellwether/service-kit/coded-error";
import type { Command, CommandContext, CommandOptions, CommandResult } from "./command.ts";

export interface Finished extends CommandResult {
  readonly command: string;
  readonly startedAt: string;
  readonly durationMs: number;
}

/** Runs a command to its result: what it throws by a code is a result as well; anything else is a fault of this program and goes on. */
export async function runCommand(
  { name, command }: { readonly name: string; readonly command: Command },
  context: CommandContext,
  options: CommandOptions,
): Promise<Finished> {
  const startedAtMs = context.clock.nowMs();
  const result = await resultOf(command, context, options);
  const durationMs = context.clock.nowMs() - startedAtMs;
  return { command: name, startedAt: new Date(startedAtMs).toISOString(), durationMs, ...result };
}

async function resultOf(command: Command, context: CommandContext, options: CommandOptions): Promise<CommandResult> {
  try {
    return await command.run(context, options);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    context.log.error({ err: error }, "the job has failed");
    return { ok: false, code: error.code, message: messageOf(error) };
  }
}

/** The result as one line of at most so many bytes: a result with long lists keeps its figures and says that it was shortened. */
export function shortened(finished: Finished, mostBytes: number): string {
  const whole = JSON.stringify(finished);
  if (Buffer.byteLength(whole) <= mostBytes) return whole;
  const isFigure = (value: unknown): boolean =>
    typeof value === "string" ? value.length <= longestText : typeof value !== "object";
  const figures = Object.entries(finished).filter(([, value]) => isFigure(value));
  return JSON.stringify({ ...Object.fromEntries(figures), shortened: true });
}

const longestText = 300;
