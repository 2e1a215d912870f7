import type { ModelPort } from "@bellwether/trading/engine/language-model";
import { type BacktestJob, runJob } from "../backtest/job.ts";
import { AgentError } from "../errors.ts";
import { type BoundProgram, bindProgram } from "../interface/define-strategy.ts";
import type { ParameterValue } from "../interface/parameters.ts";
import { type DecisionInput, ProgramSession, type SessionOptions } from "../program/session.ts";
import { importProgram } from "./program-module.ts";
import { beatEveryMs } from "./protocol.ts";

export interface LoadPayload {
  /** JavaScript. */
  readonly code: string;
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export interface ChildEnvironment {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Tells the agent that the program has returned from a callback and is about to begin another. */
  readonly beat: () => void;
  readonly log: (message: string) => void;
  /** The host's. */
  readonly models: ModelPort;
}

export type ChildMethods = Readonly<Record<string, (payload: unknown) => Promise<unknown>>>;

/** What the agent can ask of the program's process. Payloads come from the agent, which is trusted. */
export function childMethods(environment: ChildEnvironment): ChildMethods {
  let program: BoundProgram | undefined;
  let session: ProgramSession | undefined;
  return {
    async load(payload) {
      const { code, name, parameters } = payload as LoadPayload;
      program = bindProgram(await importProgram(code, name), parameters);
      return program.parameters;
    },
    open(payload) {
      session = new ProgramSession(present(program), payload as SessionOptions, environment.models);
      return Promise.resolve();
    },
    decide: (payload) => present(session).decide(payload as DecisionInput),
    backtest: (payload) => runJob(withBeats(present(program), environment), payload as BacktestJob, environment),
    restoreState(payload) {
      present(session).restoreState(payload as string);
      return Promise.resolve();
    },
  };
}

/** The agent cannot see the callbacks of a run that takes place here; what it sees are beats, at most one per `beatEveryMs`. */
function withBeats(program: BoundProgram, { nowMs, beat }: ChildEnvironment): BoundProgram {
  let lastBeatMs = nowMs();
  const beatIfDue = (): void => {
    const now = nowMs();
    if (now - lastBeatMs < beatEveryMs) return;
    lastBeatMs = now;
    beat();
  };
  return {
    ...program,
    onBar(context) {
      beatIfDue();
      return program.onBar(context);
    },
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new AgentError("PROGRAM_MISBEHAVED", "the program's process was asked out of order");
  return value;
}
