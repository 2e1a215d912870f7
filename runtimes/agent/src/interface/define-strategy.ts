import type { EngineProgram, ProgramContext, ProgramFill, ProgramRejection } from "@bellwether/trading/engine/program";
import { AgentError } from "../errors.ts";
import { firstErrorLine } from "./first-error-line.ts";
import { type ParametersOf, type ParameterSpecs, type ParameterValue, badParameters, resolveParameters } from "./parameters.ts";

export type Context<Specs extends ParameterSpecs = ParameterSpecs> = ProgramContext<ParametersOf<Specs>>;

/** What a program is made of. Only `onBar` is required. */
export interface StrategyDefinition<Specs extends ParameterSpecs = ParameterSpecs> {
  /** Defaults, overridable from the manifest; a spec (`integer`, `decimal`, `choice`) adds a range. */
  readonly parameters?: Specs;
  /** Faults that only several parameters together have, as sentences. */
  check?(parameters: ParametersOf<Specs>): readonly string[];
  /** Once per closed bar and market (or per trigger of `schedule`). A returned promise is awaited. */
  onBar(context: Context<Specs>): void | Promise<void>;
  /** Before the next `onBar`, for every fill since the last one. */
  onFill?(context: Context<Specs>, fill: ProgramFill): void | Promise<void>;
  /** Before the next `onBar`, for every intent that risk denied or order that the venue refused. */
  onReject?(context: Context<Specs>, rejection: ProgramRejection): void | Promise<void>;
}

const brand = Symbol.for("bellwether.dev/strategy");

/** A definition that went through `defineStrategy`. */
export interface Strategy<Specs extends ParameterSpecs = ParameterSpecs> extends StrategyDefinition<Specs> {
  readonly parameters: Specs;
}

type NoParameters = { readonly [name: string]: never };

/** Makes a program of its parts; a source program exports the result as its default. */
export function defineStrategy<Specs extends ParameterSpecs = NoParameters>(
  definition: StrategyDefinition<Specs>,
): Strategy<Specs> {
  const strategy = { ...definition, parameters: definition.parameters ?? ({} as Specs) };
  Object.defineProperty(strategy, brand, { value: true });
  return strategy;
}

/** A program with its parameters, as the engine runs it. */
export interface BoundProgram extends EngineProgram {
  readonly parameters: { readonly [name: string]: ParameterValue };
}

/**
 * Binds parameters to a program.
 *
 * @param exported what a module exports as default
 * @throws AgentError BAD_PROGRAM when that is no strategy, BAD_PARAMETERS with every fault
 */
export function bindProgram(exported: unknown, overrides: Readonly<Record<string, ParameterValue>>): BoundProgram {
  const strategy = asStrategy(exported);
  const parameters = resolveParameters(strategy.parameters, overrides);
  const faults = strategy.check?.(parameters) ?? [];
  if (faults.length > 0) throw badParameters(faults);
  return {
    parameters,
    // Written out, not through `guard`: it is called for every bar, and a closure a bar is a tenth of the bar's price.
    onBar(context) {
      try {
        const pending = strategy.onBar(context);
        if (pending !== undefined) return watched(pending);
      } catch (error) {
        rethrow(error);
      }
    },
    ...(strategy.onFill && { onFill: (context, fill) => guard(() => strategy.onFill?.(context, fill)) }),
    ...(strategy.onReject && { onReject: (context, rejection) => guard(() => strategy.onReject?.(context, rejection)) }),
  };
}

/** What a program throws is the program's fault, told by its first line; what the engine throws around it stays the engine's. */
function guard(callback: () => void | Promise<void>): void | Promise<void> {
  try {
    const pending = callback();
    if (pending !== undefined) return watched(pending);
  } catch (error) {
    rethrow(error);
  }
}

/** Any thenable counts as a promise: a program is JavaScript. */
function watched(pending: Promise<void>): Promise<void> {
  return Promise.resolve(pending).catch(rethrow);
}

function rethrow(cause: unknown): never {
  // What the agent itself threw into the program, such as a recorded answer that is missing, is not the program's.
  if (cause instanceof AgentError) throw cause;
  throw new AgentError("PROGRAM_THREW", firstErrorLine(cause), { cause });
}

function asStrategy(exported: unknown): Strategy {
  if (typeof exported !== "object" || exported === null || !(brand in exported)) {
    throw new AgentError("BAD_PROGRAM", "the module must `export default defineStrategy({ onBar(context) { … } })`");
  }
  const strategy = exported as unknown as Strategy;
  for (const [name, member] of Object.entries({ ...strategy })) {
    const wanted = name === "parameters" ? "object" : "function";
    if (
      !["parameters", "check", "onBar", "onFill", "onReject"].includes(name) ||
      (member !== undefined && typeof member !== wanted)
    ) {
      throw new AgentError(
        "BAD_PROGRAM",
        `defineStrategy takes parameters, check, onBar, onFill and onReject; ${name} is ${typeof member}`,
      );
    }
  }
  if (typeof strategy.onBar !== "function") throw new AgentError("BAD_PROGRAM", "defineStrategy needs onBar(context) { … }");
  return strategy;
}
