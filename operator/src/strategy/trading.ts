/** Conditions that other components know about: risk whether it trades, the kubelet which cores it has. Pure. */
import type { StrategyPhase } from "@bellwether/crds";
import type { StrategyView } from "@bellwether/trading/wire";
import type { Draft } from "../condition.ts";

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

/** What the kubelet of the pod's node says about its cores. */
export type Assignment =
  | { readonly known: false; readonly message: string }
  | { readonly known: true; readonly policy: "static" | "none"; readonly cpus: string | undefined };

/** Whether the agent has cores of its own; nothing while it asks for none or does not run. */
export function pinned(
  wants: { pinning: "Exclusive" | "Shared"; cpus: number },
  isRunning: boolean,
  assignment: Assignment,
): Draft | undefined {
  if (wants.pinning !== "Exclusive" || !isRunning) return undefined;
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "Pinned",
    status,
    reason,
    message,
  });
  if (!assignment.known) return draft("Unknown", "NodeAgentUnreachable", assignment.message);
  if (assignment.policy === "none") {
    return draft(
      "False",
      "KubeletDoesNotPin",
      "the kubelet's CPU manager policy is none: the agent runs on shared cores (see k3s/ for the drop-in that pins)",
    );
  }
  if (assignment.cpus === undefined)
    return draft("False", "NoExclusiveCores", "the kubelet has given the agent no cores of its own");
  const count = coresIn(assignment.cpus);
  if (count !== wants.cpus)
    return draft(
      "False",
      "CoreCountDiffers",
      `the kubelet has given the agent cores ${assignment.cpus}, it asked for ${wants.cpus}`,
    );
  return draft(
    "True",
    "ExclusiveCores",
    `${count === 1 ? "core" : "cores"} ${assignment.cpus} ${count === 1 ? "belongs" : "belong"} to the agent alone`,
  );
}

/** How many cores a list such as `0,2-3` names. */
function coresIn(cpus: string): number {
  return cpus.split(",").reduce((count, range) => {
    const [first = "", last = first] = range.split("-");
    return count + Number(last) - Number(first) + 1;
  }, 0);
}
