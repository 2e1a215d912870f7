import { AgentError } from "../errors.ts";
import type { Strategy } from "../interface/define-strategy.ts";
import breakout from "./breakout.ts";
import dca from "./dca.ts";
import grid from "./grid.ts";
import llmAnalyst from "./llm-analyst.ts";
import meanReversion from "./mean-reversion.ts";
import momentum from "./momentum.ts";

/** The programs that come with the agent. Each is an ordinary source program: nothing here can do more than yours. */
const builtins = {
  momentum,
  "mean-reversion": meanReversion,
  breakout,
  grid,
  dca,
  "llm-analyst": llmAnalyst,
} as unknown as Readonly<Record<string, Strategy>>;

export const builtinNames: readonly string[] = Object.keys(builtins);

/** @throws AgentError UNKNOWN_PROGRAM */
export function builtinProgram(name: string): Strategy {
  const program = Object.hasOwn(builtins, name) ? builtins[name] : undefined;
  if (program) return program;
  throw new AgentError("UNKNOWN_PROGRAM", `there is no builtin program ${name} (there are: ${builtinNames.join(", ")})`);
}
