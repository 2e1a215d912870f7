/** Whether a pod has the cores that it asked for, by the kubelet of its node. Pure. */
import type { Draft } from "../condition.ts";

/** What the kubelet of the pod's node says about its cores. */
export type Assignment =
  | { readonly known: false; readonly message: string }
  | { readonly known: true; readonly policy: "static" | "none"; readonly cpus: string | undefined };

/** The condition `Pinned` of a pod that runs and asks for `cpus` whole cores. `who` is its subject in sentences, such as `the agent`. */
export function pinned(who: string, cpus: number, assignment: Assignment): Draft {
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
      `the kubelet's CPU manager policy is none: ${who} runs on shared cores (see k3s/ for the drop-in that pins)`,
    );
  }
  if (assignment.cpus === undefined)
    return draft("False", "NoExclusiveCores", `the kubelet has given ${who} no cores of its own`);
  const count = coresIn(assignment.cpus);
  if (count !== cpus)
    return draft("False", "CoreCountDiffers", `the kubelet has given ${who} cores ${assignment.cpus}, it asked for ${cpus}`);
  return draft(
    "True",
    "ExclusiveCores",
    `${count === 1 ? "core" : "cores"} ${assignment.cpus} ${count === 1 ? "belongs" : "belong"} to ${who} alone`,
  );
}

/** How many cores a list such as `0,2-3` names. */
function coresIn(cpus: string): number {
  return cpus.split(",").reduce((count, range) => {
    const [first = "", last = first] = range.split("-");
    return count + Number(last) - Number(first) + 1;
  }, 0);
}
