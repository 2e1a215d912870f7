import { cancelRequest, decisionRequest, intent, replaceRequest } from "@bellwether/trading/wire";
import type { BacktestResult } from "@bellwether/trading/backtest";
import { z } from "zod";
import type { BacktestJob } from "../backtest/job.ts";
import { backtestSummary } from "../config.ts";
import { AgentError } from "../errors.ts";
import type { ParameterValue } from "../interface/parameters.ts";
import type { ProgramRunner } from "../program/runner.ts";
import type { DecisionInput, DecisionOutput, SessionOptions } from "../program/session.ts";
import type { LoadPayload } from "./child-methods.ts";
import { Sandbox, type SandboxOptions } from "./sandbox.ts";
import { stripTypes } from "./strip-types.ts";

/** Foreign code has the last word in its own process: what comes out of it is parsed like anything from outside. */
const decisionOutput = z.object({
  intents: z.array(intent).max(100),
  cancels: z.array(cancelRequest).max(100),
  replaces: z.array(replaceRequest).max(100),
  state: z.string().max(262_144),
  log: z.array(z.string().max(1000)).max(100),
  evidence: decisionRequest.shape.evidence,
});

const backtestFill = z.object({
  time: z.number(),
  market: z.string(),
  side: z.enum(["buy", "sell"]),
  quantity: z.string(),
  price: z.string(),
  fee: z.string(),
});

const backtestResult = z.object({ ...backtestSummary.shape, fills: z.array(backtestFill) });

export interface SourceProgram {
  /** TypeScript. */
  readonly text: string;
  /** What messages call it, e.g. `my-momentum/strategy.ts`. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

/** Runs a source program in a process of its own. */
export class SandboxedRunner implements ProgramRunner {
  readonly #sandbox: Sandbox;

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** @throws AgentError with one of the program's faults */
  static async start({ text, name, parameters }: SourceProgram, options: SandboxOptions): Promise<SandboxedRunner> {
    const code = await stripTypes(text, name);
    const sandbox = await Sandbox.start(options);
    try {
      const payload: LoadPayload = { code, name, parameters };
      await sandbox.call("load", payload, `loading ${name}`);
      return new SandboxedRunner(sandbox);
    } catch (error) {
      await sandbox.close();
      throw error;
    }
  }

  get sandbox(): Sandbox {
    return this.#sandbox;
  }

  async open(options: SessionOptions): Promise<void> {
    await this.#sandbox.call("open", options, "opening the program");
  }

  async decide(input: DecisionInput): Promise<DecisionOutput> {
    const output = decisionOutput.safeParse(await this.#sandbox.call("decide", input, "onBar"));
    if (output.success) return output.data;
    const faults = output.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new AgentError(
      "PROGRAM_MISBEHAVED",
      `the program's process answered something that is no decision: ${faults.join("; ")}`,
    );
  }

  /** Runs a whole backtest over there; progress is watched per callback of the program. */
  async backtest(job: BacktestJob): Promise<BacktestResult> {
    const result = backtestResult.safeParse(await this.#sandbox.call("backtest", job, "onBar"));
    if (result.success) return result.data;
    throw new AgentError("PROGRAM_MISBEHAVED", "the program's process answered something that is no result of a backtest");
  }

  async restoreState(state: string): Promise<void> {
    await this.#sandbox.call("restoreState", state, "restoring the state");
  }

  close(): Promise<void> {
    return this.#sandbox.close();
  }
}
