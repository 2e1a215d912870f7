import type { ParameterValue } from "../interface/parameters.ts";
import { type BoundProgram, bindProgram } from "../interface/define-strategy.ts";
import { importProgram } from "./program-module.ts";

export interface LoadPayload {
  readonly code: string;
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export interface ChildEnvironment {
  /** Monotonic milliseconds. */
  nowMs(): number;
  beat(): void;
}

export type ChildMethods = Readonly<Record<string, (payload: unknown) => Promise<unknown>>>;

/** What the agent can ask of the program's process. Payloads come from the agent, which is trusted. */
export function childMethods(_environment: ChildEnvironment): ChildMethods {
  let program: BoundProgram | undefined;
  return {
    async load(payload) {
      const { code, name, parameters } = payload as LoadPayload;
      program = bindProgram(await importProgram(code, name), parameters);
      return program.parameters;
    },
    async tick() {
      await program?.onBar({} as never);
      return undefined;
    },
  };
}
