/** A pod as the plan sees it: what matters of core/v1's Pod. Pure. */
import { CONFIG_HASH } from "./child-objects.ts";

/** The members of core/v1 Pod that are read. */
export interface PodObject {
  readonly metadata: {
    readonly name?: string;
    readonly uid?: string;
    readonly deletionTimestamp?: string;
    readonly creationTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly state?: {
        readonly waiting?: { readonly reason?: string; readonly message?: string };
        readonly terminated?: Terminated;
      };
    }[];
  };
}

interface Terminated {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
  readonly finishedAt?: string;
}

export interface ObservedPod {
  readonly name: string;
  readonly uid: string;
  readonly isDeleting: boolean;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly hash: string | undefined;
  readonly node: string | undefined;
  /** Since when it is ready; absent while it is not. */
  readonly readySinceMs: number | undefined;
  /** Why it does not start, in the kubelet's or the scheduler's words. */
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  /** How it ended; set for the phases Succeeded and Failed. */
  readonly ended:
    | { readonly exitCode: number | undefined; readonly reason: string; readonly message: string; readonly atMs: number }
    | undefined;
}

export function observePod(pod: PodObject): ObservedPod {
  const { status } = pod;
  const phase = phaseOf(status?.phase);
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const isReady = ready?.status === "True" && phase === "Running";
  return {
    name: pod.metadata.name ?? "",
    uid: pod.metadata.uid ?? "",
    isDeleting: pod.metadata.deletionTimestamp !== undefined,
    phase,
    hash: pod.metadata.annotations?.[CONFIG_HASH],
    node: pod.spec?.nodeName,
    readySinceMs: isReady ? epochMs(ready.lastTransitionTime) : undefined,
    waiting: isReady || phase === "Succeeded" || phase === "Failed" ? undefined : waitingOf(pod),
    ended: phase === "Succeeded" || phase === "Failed" ? endedOf(pod) : undefined,
  };
}

function phaseOf(phase: string | undefined): ObservedPod["phase"] {
  return phase === "Running" || phase === "Succeeded" || phase === "Failed" ? phase : "Pending";
}

/** Reasons of a waiting container that are the ordinary course of a start. */
const ordinary = new Set(["ContainerCreating", "PodInitializing"]);

const imagePullFailed = { reason: "ImagePullFailed", message: "the image cannot be pulled" };
const keepsEnding = { reason: "ContainerKeepsEnding", message: "the container ends again and again" };

/** The kubelet alternates between these and counts seconds in their messages: shown as they are, each turn would be a write. */
const alternatingReasons: Readonly<Record<string, { reason: string; message: string }>> = {
  ErrImagePull: imagePullFailed,
  ImagePullBackOff: imagePullFailed,
  CrashLoopBackOff: keepsEnding,
};

function waitingOf({ metadata, status }: PodObject): ObservedPod["waiting"] {
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False")
    return { reason: scheduled.reason ?? "Unschedulable", message: scheduled.message ?? "no node takes the pod" };
  const waiting = status?.containerStatuses?.find(({ state }) => state?.waiting)?.state?.waiting;
  if (waiting?.reason === undefined || ordinary.has(waiting.reason)) return undefined;
  const alternating = alternatingReasons[waiting.reason];
  if (alternating)
    return { ...alternating, message: `${alternating.message} (kubectl describe pod ${metadata.name ?? ""} has the details)` };
  return { reason: waiting.reason, message: waiting.message ?? "" };
}

function endedOf({ metadata, status }: PodObject): ObservedPod["ended"] {
  const terminated = status?.containerStatuses?.[0]?.state?.terminated;
  if (terminated) {
    const { exitCode, reason, message, finishedAt } = terminated;
    return { exitCode, reason: reason ?? "Error", message: message ?? "", atMs: epochMs(finishedAt) };
  }
  // Never started: rejected by the kubelet (UnexpectedAdmissionError, OutOfcpu), evicted, or its node went away.
  const reason = status?.reason ?? "Unknown";
  return { exitCode: undefined, reason, message: status?.message ?? "", atMs: epochMs(metadata.creationTimestamp) };
}

const epochMs = (text: string | undefined): number => (text === undefined ? 0 : Date.parse(text));
