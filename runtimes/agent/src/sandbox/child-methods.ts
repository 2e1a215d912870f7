import { AgentError } from "../errors.ts";
import { type BoundProgram, bindProgram } from "../interface/define-strategy.ts";
import type { ParameterValue } from "../interface/parameters.ts";
import { type DecisionInput, ProgramSession, type SessionOptions } from "../program/session.ts";
import { importProgram } from "./program-module.ts";

export interface LoadPayload {
  /** JavaScript. */
  readonly code: string;
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export type ChildMethods = Readonly<Record<string, (payload: unknown) => Promise<unknown>>>;

/** What the agent can ask of the program's process. Payloads come from the agent, which is trusted. */
export function childMethods(): ChildMethods {
  let program: BoundProgram | undefined;
  let session: ProgramSession | undefined;
  return {
    async load(payload) {
      const { code, name, parameters } = payload as LoadPayload;
      program = bindProgram(await importProgram(code, name), parameters);
      return program.parameters;
    },
    open(payload) {
      session = new ProgramSession(present(program), payload as SessionOptions);
      return Promise.resolve();
    },
    decide: (payload) => present(session).decide(payload as DecisionInput),
    restoreState(payload) {
      present(session).restoreState(payload as string);
      return Promise.resolve();
    },
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new AgentError("PROGRAM_MISBEHAVED", "the program's process was asked out of order");
  return value;
}
