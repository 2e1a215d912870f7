/** Conditions that other components know about: risk whether it trades, the kubelet which cores it has. Pure. */
import type { StrategyPhase } from "@bellwether/crds";
import type { StrategyView } from "@bellwether/trading/wire";
import type { Draft } from "../condition.ts";
import { type Assignment, pinned as pinnedPod } from "../ledger/pinned.ts";

/** What risk last said of a strategy. */
export type RiskWord =
  | { readonly heard: true; readonly view: StrategyView | undefined }
  /** `reason`: RiskUnreachable, or what risk itself gave as the cause, such as JournalUnavailable. */
  | { readonly heard: false; readonly reason: string; readonly message: string };

const whyNotRunning: Readonly<Record<Exclude<StrategyPhase, "Running">, string>> = {
  Pending: "the agent does not run",
  Queued: "the agent waits for cores",
  Starting: "the agent is starting",
  Paused: "spec.suspend is true",
  Completed: "the strategy has ended",
  Failed: "the agent has failed",
};

/** Whether orders of this strategy may go out now; nothing for a backtest, which places none. */
export function tradingAllowed(mode: "Paper" | "Live" | "Backtest", phase: StrategyPhase, word: RiskWord): Draft | undefined {
  if (mode === "Backtest") return undefined;
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "TradingAllowed",
    status,
    reason,
    message,
  });
  if (phase === "Paused") return draft("False", "Suspended", whyNotRunning.Paused);
  if (phase !== "Running")
    return draft("False", phase === "Starting" || phase === "Queued" ? phase : "NotRunning", whyNotRunning[phase]);
  if (!word.heard) return draft("False", word.reason, word.message);
  if (!word.view) return draft("False", "NotRegistered", "risk does not know the strategy yet");
  const { allowed, reason, message } = word.view.trading;
  return draft(allowed ? "True" : "False", reason, message);
}

/** Whether the agent has cores of its own; nothing while it asks for none or does not run. */
export function pinned(
  wants: { pinning: "Exclusive" | "Shared"; cpus: number },
  isRunning: boolean,
  assignment: Assignment,
): Draft | undefined {
  return wants.pinning === "Exclusive" && isRunning ? pinnedPod("the agent", wants.cpus, assignment) : undefined;
}
