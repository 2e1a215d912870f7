/** How an agent ended, from its container's termination message and exit code. Pure. */
import { type BacktestSummary, terminationMessage } from "@bellwether/agent/config";
import type { ObservedPod } from "../observed-pod.ts";

export type Outcome =
  | { readonly kind: "Completed"; readonly backtest: BacktestSummary }
  | {
      readonly kind: "Failed";
      readonly reason: "ProgramFailed" | "BadInput" | "BadConfig" | "AgentCrashed" | "AgentExited" | "PodRejected";
      readonly message: string;
      /** The same again would end the same way: only a change of what it was made from helps. */
      readonly isDeterministic: boolean;
    };

/** @param ended of a pod that has ended */
export function outcomeOf(ended: NonNullable<ObservedPod["ended"]>, mode: "Paper" | "Live" | "Backtest"): Outcome {
  const told = toldBy(ended.message);
  const isBacktest = mode === "Backtest";
  if (told?.reason === "Completed") {
    if (isBacktest) return { kind: "Completed", backtest: told.backtest };
    return { kind: "Failed", reason: "AgentExited", message: "the agent ended as if it were a backtest", isDeterministic: false };
  }
  if (told) {
    const reason = told.reason === "Crashed" ? "AgentCrashed" : told.reason;
    return { kind: "Failed", reason, message: told.message, isDeterministic: isBacktest && reason !== "AgentCrashed" };
  }
  if (ended.reason === "OOMKilled") {
    const message = "the agent used more memory than spec.resources.memory: give it more, or let the program keep less";
    return { kind: "Failed", reason: "ProgramFailed", message, isDeterministic: false };
  }
  if (ended.exitCode === undefined) {
    return {
      kind: "Failed",
      reason: "PodRejected",
      message: `${ended.reason}: ${ended.message || "the node did not run the pod"}`,
      isDeterministic: false,
    };
  }
  if (ended.exitCode === 0) {
    return { kind: "Failed", reason: "AgentExited", message: "the agent ended without saying why", isDeterministic: false };
  }
  const message = `the agent ended with exit code ${ended.exitCode} (${ended.reason})`;
  return { kind: "Failed", reason: "AgentCrashed", message, isDeterministic: false };
}

function toldBy(message: string): ReturnType<typeof terminationMessage.parse> | undefined {
  try {
    return terminationMessage.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined; // Not ours: a crash of Node itself, or nothing at all.
  }
}

/** Pause before the next attempt: doubles with each failure in a row. */
export function backoffMs(failures: number, { firstMs, lastMs }: { firstMs: number; lastMs: number }): number {
  return Math.min(lastMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
}
