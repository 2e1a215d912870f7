import { CodedError } from "@bellwether/service-kit/coded-error";

/** Every error code of this package, with what it means; a test holds the list against the code. */
export const agentErrors = {
  BAD_PARAMETERS: "Parameters of a program are unknown, of the wrong kind or out of range; all faults are listed.",
  UNKNOWN_PROGRAM: "There is no builtin program of this name.",
  BAD_PROGRAM: "The module cannot be used as a program: syntax, imports, or no defineStrategy as default export.",
  PROGRAM_THREW: "The program threw; the message is its first error line.",
  PROGRAM_TIMEOUT: "One call of the program took longer than allowed and was ended.",
  PROGRAM_OUT_OF_MEMORY: "The program used more memory than allowed and was ended.",
  PROGRAM_EXITED: "The program's process ended by itself.",
  PROGRAM_MISBEHAVED: "The program's process answered something that is not a decision.",
  BAD_MANIFEST: "The manifest of the backtest command is not usable; all faults are listed.",
  BAD_ANSWERS: "A file of recorded answers cannot be read; the message names the line.",
  ANSWER_MISSING: "A replayed backtest asked a model something that is not recorded.",
  MODEL_SILENT: "A model did not answer while answers were being recorded; what was answered so far is recorded.",
  BAD_USAGE: "The command line is not usable.",
} as const;

export type AgentErrorCode = keyof typeof agentErrors;

/** The codes that are the program's own fault: the strategy is `ProgramFailed`, nothing else is wrong. */
const programFaults: ReadonlySet<AgentErrorCode> = new Set<AgentErrorCode>([
  "BAD_PARAMETERS",
  "UNKNOWN_PROGRAM",
  "BAD_PROGRAM",
  "PROGRAM_THREW",
  "PROGRAM_TIMEOUT",
  "PROGRAM_OUT_OF_MEMORY",
  "PROGRAM_EXITED",
  "PROGRAM_MISBEHAVED",
]);

export class AgentError extends CodedError<AgentErrorCode> {}

/** True when `error` is a fault of the program, not of the agent around it. */
export function isProgramFault(error: unknown): error is AgentError {
  return error instanceof AgentError && programFaults.has(error.code);
}
