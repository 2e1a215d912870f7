import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import type { BoundProgram } from "../interface/define-strategy.ts";
import { type DecisionInput, type DecisionOutput, ProgramSession, type SessionOptions } from "./session.ts";

/** A program that can be asked for decisions, wherever it runs. Every fault of the program is an AgentError. */
export interface ProgramRunner {
  open(options: SessionOptions): Promise<void>;
  decide(input: DecisionInput): Promise<DecisionOutput>;
  restoreState(state: string): Promise<void>;
  close(): Promise<void>;
}

/** Runs a program in this process: builtins, which are our own code. */
export class InProcessRunner implements ProgramRunner {
  readonly #program: BoundProgram;
  readonly #models: ModelPort;
  #session: ProgramSession | undefined;

  /** @param models what answers the program's questions */
  constructor(program: BoundProgram, models: ModelPort = noModels) {
    this.#program = program;
    this.#models = models;
  }

  open(options: SessionOptions): Promise<void> {
    this.#session = new ProgramSession(this.#program, options, this.#models);
    return Promise.resolve();
  }

  decide(input: DecisionInput): Promise<DecisionOutput> {
    return this.#opened().decide(input);
  }

  restoreState(state: string): Promise<void> {
    this.#opened().restoreState(state);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #opened(): ProgramSession {
    if (!this.#session) throw new TypeError("the program was asked before it was opened");
    return this.#session;
  }
}
