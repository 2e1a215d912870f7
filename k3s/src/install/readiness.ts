interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly deletionTimestamp?: string };
  readonly spec?: { readonly containers?: readonly { readonly image?: string }[] };
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

/** Says when a pod runs an older build of one of our images: the operator has not brought its children up to date yet. */
export function imageFault(pod: Pod, current: ReadonlyMap<string, string>): string | undefined {
  const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed" || pod.metadata.deletionTimestamp;
  if (ended) return undefined;
  const repository = (reference: string): string => reference.slice(0, reference.lastIndexOf(":") + 1);
  const outdated = (pod.spec?.containers ?? []).some(({ image = "" }) =>
    [...current.values()].some((reference) => repository(reference) === repository(image) && reference !== image),
  );
  return outdated ? `pod ${pod.metadata.name}: still of an older image` : undefined;
}

export interface Strategy {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

/** Reasons of TradingAllowed that pass by themselves within seconds of a start; every other is somebody's wish, or the platform's word on something else. */
const notYetTrading = new Set(["NotRegistered", "NotAdmitted", "RiskNotReady", "NotRunning"]);

/**
 * Why a strategy does not run yet, or runs and may not trade yet, with the operator's own sentence; undefined when it does. Paused is what its
 * owner wanted, as a halt is; Queued is no fault either where other strategies hold the cores.
 */
export function strategyFault(strategy: Strategy, others: number): string | undefined {
  const phase = strategy.status?.phase ?? "Pending";
  const conditions = strategy.status?.conditions ?? [];
  const starting = conditions.find(({ type, reason = "" }) => type === "TradingAllowed" && notYetTrading.has(reason));
  const isRunning = phase === "Running";
  if (isRunning ? !starting : phase === "Completed" || phase === "Paused") return undefined;
  if (phase === "Queued" && others > 0) return undefined;
  const failing = isRunning ? starting : conditions.find(({ status, message }) => status !== "True" && message);
  return `strategy ${strategy.metadata.name}: ${phase}${failing ? ` (${failing.type}: ${failing.message})` : ""}`;
}

export interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly spec: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
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
  // Of a Deployment in the middle of a rollout, the old pod is the ready one and the new one the updated one.
  const outdated = isDaemonSet ? 0 : Math.max(0, (status?.replicas ?? 0) - updated);
  if (updated < wanted || outdated > 0) return `${kind} ${metadata.name}: rolling out`;
  return ready >= wanted ? undefined : `${kind} ${metadata.name}: ${ready} of ${wanted} ready`;
}
