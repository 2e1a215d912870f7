interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly deletionTimestamp?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}

/** Why a pod is not ready yet, in a few words, or undefined when it is (or has completed). */
export function podFault(pod: Pod): string | undefined {
  if (pod.status?.phase === "Succeeded" || pod.metadata.deletionTimestamp) return undefined;
  if (pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) return undefined;
  const waiting = pod.status?.containerStatuses?.find((container) => container.state?.waiting)?.state?.waiting;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  const why =
    waiting?.reason ??
    unscheduled?.message ??
    (pod.status?.phase === "Running" ? "not ready yet" : (pod.status?.phase ?? "Pending"));
  return `pod ${pod.metadata.name}: ${why}`;
}

export interface Strategy {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

/** Why a strategy does not run yet, with the operator's own sentence, or undefined when it does. */
export function strategyFault(strategy: Strategy): string | undefined {
  const phase = strategy.status?.phase ?? "Pending";
  if (phase === "Running" || phase === "Completed") return undefined;
  const failing = strategy.status?.conditions?.find(({ status, message }) => status !== "True" && message);
  return `strategy ${strategy.metadata.name}: ${phase}${failing ? ` (${failing.type}: ${failing.message})` : ""}`;
}
