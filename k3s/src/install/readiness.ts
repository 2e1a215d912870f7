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

/**
 * Why a strategy does not run yet, with the operator's own sentence, or undefined when it does. Paused is what its owner
 * wanted; Queued is no fault either where other strategies hold the cores.
 */
export function strategyFault(strategy: Strategy, others: number): string | undefined {
  const phase = strategy.status?.phase ?? "Pending";
  if (phase === "Running" || phase === "Completed" || phase === "Paused") return undefined;
  if (phase === "Queued" && others > 0) return undefined;
  const failing = strategy.status?.conditions?.find(({ status, message }) => status !== "True" && message);
  return `strategy ${strategy.metadata.name}: ${phase}${failing ? ` (${failing.type}: ${failing.message})` : ""}`;
}

export interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly spec: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
    readonly updatedNumberScheduled?: number;
  };
}

/** Why a Deployment, StatefulSet or DaemonSet has not rolled out yet, or undefined when it has. */
export function workloadFault({ kind, metadata, spec, status }: Workload): string | undefined {
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0))
    return `${kind} ${metadata.name}: not seen by its controller yet`;
  const isDaemonSet = kind === "DaemonSet";
  const wanted = isDaemonSet ? (status?.desiredNumberScheduled ?? 0) : (spec.replicas ?? 1);
  const ready = (isDaemonSet ? status?.numberReady : status?.readyReplicas) ?? 0;
  const updated = (isDaemonSet ? status?.updatedNumberScheduled : status?.updatedReplicas) ?? 0;
  if (isDaemonSet && wanted === 0) return `${kind} ${metadata.name}: no node for it yet`;
  return ready >= wanted && updated >= wanted ? undefined : `${kind} ${metadata.name}: ${ready} of ${wanted} ready`;
}
