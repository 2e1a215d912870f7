/** Everything about a Strategy is decided here, nothing is done here. */
import type { BacktestSummary } from "@bellwether/agent/config";
import type { EffectiveStrategySpec, StrategyPhase, StrategyStatus } from "@bellwether/crds";
import type { Manifest } from "../child-objects.ts";
import type { Draft } from "../condition.ts";
import type { OperatorConfig } from "../config.ts";
import { type Admission, admissionMessage } from "../ledger/cpu-ledger.ts";
import type { ObservedPod } from "../observed-pod.ts";
import { type Outcome, backoffMs, outcomeOf } from "./outcome.ts";
import type { Fault } from "./references.ts";

/** Where the strategy stands with risk. Backtests have no part in it. */
export type Registration =
  | { readonly state: "Unneeded" }
  | { readonly state: "Accepted" }
  | { readonly state: "Refused"; readonly message: string }
  /** `wasAccepted`: it was registered before, and risk keeps that in its journal: the agent may run on. */
  | { readonly state: "Unreachable"; readonly message: string; readonly wasAccepted: boolean };

/** What the agent would be made from; absent while a reference is broken. */
export interface Desired {
  readonly specHash: string;
  readonly children: readonly Manifest[];
  readonly pod: Manifest;
  readonly podHash: string;
}

export interface Observed {
  readonly spec: EffectiveStrategySpec;
  readonly isDeleting: boolean;
  readonly fault: Fault | undefined;
  readonly desired: Desired | undefined;
  readonly registration: Registration;
  readonly admission: Admission;
  readonly pod: ObservedPod | undefined;
  readonly status: StrategyStatus;
  readonly backoff: OperatorConfig["agentBackoff"];
  readonly nowMs: number;
}

export type PodStep =
  | { readonly do: "Keep" }
  | { readonly do: "Create"; readonly pod: Manifest }
  | { readonly do: "Delete"; readonly uid: string; readonly because: string };

export interface Plan {
  readonly phase: StrategyPhase;
  readonly ready: Draft;
  readonly admitted: Draft;
  /** To be there before the pod is made; empty: left as they are. */
  readonly children: readonly Manifest[];
  readonly pod: PodStep;
  readonly specHash?: string;
  readonly failures: number;
  readonly lastFailureMs?: number;
  readonly backtest?: BacktestSummary;
  readonly requeueAfterMs?: number;
}

const keep: PodStep = { do: "Keep" };
/** A pod that has been ready for this long has got over its earlier failures. */
const recoveredAfterMs = 600_000;

/** Of a strategy that was just applied: its policy is there, nobody has been asked yet. */
export const firstPlan: Plan = {
  phase: "Pending",
  ready: {
    type: "Ready",
    status: "Unknown",
    reason: "Accepted",
    message: "the strategy is being made known to risk and to the ledger",
  },
  admitted: { type: "Admitted", status: "Unknown", reason: "NotAskedYet", message: "the ledger has not been asked yet" },
  children: [],
  pod: keep,
  failures: 0,
};

/**
 *   being deleted? ─────────────────────────────► Pending   (the pod goes; the finalizer cancels what works at the venue)
 *        │ no
 *   spec.suspend ───────────────────────────────► Paused    (no pod; risk cancels working orders)
 *        │ no
 *   references resolve? ── no ──────────────────► Pending   (which one, what to do; a running pod needs its files no more)
 *        │ yes
 *   backtest done, or failed for good? ─────────► Completed · Failed   (until what it is made from changes)
 *        │ no
 *   risk knows it? ── no ───────────────────────► Pending   (RiskUnreachable, RegistrationRefused)
 *        │ yes
 *   cores free? ── no ──────────────────────────► Queued    (InsufficientExclusiveCpu: wants, free, of)
 *        │ yes
 *   pod? ── none, failed, outdated ─────────────► Starting  (created, replaced, or waited for with back-off)
 *        │ yes
 *        └──────────────────────────────────────► Running
 */
export function plan(observed: Observed): Plan {
  const { spec, isDeleting, fault, desired, pod } = observed;
  if (isDeleting) return withoutPod(observed, "Pending", { reason: "Deleting", message: "working orders are being cancelled" });
  if (spec.suspend)
    return withoutPod(observed, "Paused", {
      reason: "Suspended",
      message: "spec.suspend is true: positions stay, nothing is decided",
    });
  if (fault && (fault.stopsRunning || !isAlive(pod))) return withoutPod(observed, "Pending", fault);
  if (!desired) return observeRunning(observed);

  const finished = finishedPlan(observed, desired);
  if (finished) return finished;
  const unregistered = unregisteredReason(observed.registration);
  if (unregistered) return { ...withoutPod(observed, "Pending", unregistered), requeueAfterMs: 1_000 };
  const { admission } = observed;
  if (!admission.granted) {
    const queued = withoutPod(observed, "Queued", { reason: admission.reason, message: admissionMessage(admission) });
    return {
      ...queued,
      admitted: { type: "Admitted", status: "False", reason: admission.reason, message: admissionMessage(admission) },
    };
  }
  return admittedPlan(observed, desired);
}

/**
 * True when the strategy asks the ledger for a place: whatever keeps it from running now has to do with cores only.
 * What is not wanted any more gives its place back.
 */
export function wantsPlace(observed: Omit<Observed, "admission">): boolean {
  const { spec, isDeleting, fault, desired, registration, pod } = observed;
  if (isDeleting || spec.suspend) return false;
  if (fault && (fault.stopsRunning || !isAlive(pod))) return false;
  if (!desired) return isAlive(pod);
  return (
    finishedPlan({ ...observed, admission: { granted: true } }, desired) === undefined &&
    unregisteredReason(registration) === undefined
  );
}

const isAlive = (pod: ObservedPod | undefined): boolean => pod !== undefined && !pod.isDeleting && pod.ended === undefined;

function unregisteredReason(registration: Registration): { reason: string; message: string } | undefined {
  if (registration.state === "Refused") return { reason: "RegistrationRefused", message: registration.message };
  if (registration.state !== "Unreachable" || registration.wasAccepted) return undefined;
  return { reason: "RiskUnreachable", message: registration.message };
}

function withoutPod(observed: Observed, phase: StrategyPhase, { reason, message }: { reason: string; message: string }): Plan {
  const { pod, status } = observed;
  return {
    phase,
    ready: { type: "Ready", status: "False", reason, message },
    admitted: { type: "Admitted", status: "False", reason, message: "asks for no cores now" },
    children: [],
    pod: pod && !pod.isDeleting ? { do: "Delete", uid: pod.uid, because: reason } : keep,
    failures: status.failures ?? 0,
    ...lastFailure(status),
  };
}

/** A backtest that has its result, and whatever failed so that trying again is no use; both hold until the hash changes. */
function finishedPlan(observed: Observed, desired: Desired): Plan | undefined {
  const { pod, spec, status, backoff } = observed;
  const { specHash } = desired;
  const outcome = outcomeOfCurrent(observed, desired);
  if (outcome?.kind === "Completed") return completed(observed, { specHash, backtest: outcome.backtest });
  if (outcome) {
    const failures = countedFailures(observed, pod);
    if (outcome.isDeterministic || failures >= backoff.failureLimit)
      return failedForGood(observed, { specHash, failures, outcome });
    return undefined;
  }
  if (status.specHash !== specHash || isAlive(pod)) return undefined;
  // The pod was swept away, or only its image has changed; what it said is in status.
  if (spec.mode === "Backtest" && status.backtest) return completed(observed, { specHash, backtest: status.backtest });
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  if (status.phase !== "Failed" || !ready) return undefined;
  const remembered = failedForGood(observed, { specHash, failures: status.failures ?? 0, outcome: undefined });
  return { ...remembered, ready: { type: "Ready", status: "False", reason: ready.reason, message: ready.message } };
}

/** How the pod ended, when it was made from what is wanted now. */
function outcomeOfCurrent({ pod, spec }: Observed, { podHash }: Desired): Outcome | undefined {
  if (!pod?.ended || pod.isDeleting) return undefined;
  return pod.hash === podHash ? outcomeOf(pod.ended, spec.mode) : undefined;
}

function completed({ status }: Observed, { specHash, backtest }: { specHash: string; backtest: BacktestSummary }): Plan {
  return {
    phase: "Completed",
    ready: { type: "Ready", status: "True", reason: "Completed", message: `the backtest went over ${backtest.bars} bars` },
    admitted: { type: "Admitted", status: "False", reason: "Completed", message: "asks for no cores now" },
    children: [],
    pod: keep,
    specHash,
    backtest,
    failures: 0,
    ...lastFailure(status),
  };
}

function failedForGood(
  observed: Observed,
  { specHash, failures, outcome }: { specHash: string; failures: number; outcome: (Outcome & { kind: "Failed" }) | undefined },
): Plan {
  const advice = outcome?.isDeterministic ? "" : ` (${failures} failures in a row: not tried again until the spec changes)`;
  return {
    phase: "Failed",
    ready: {
      type: "Ready",
      status: "False",
      reason: outcome?.reason ?? "AgentCrashed",
      message: `${outcome?.message ?? ""}${advice}`,
    },
    admitted: { type: "Admitted", status: "False", reason: "Failed", message: "asks for no cores now" },
    children: [],
    pod: keep,
    specHash,
    failures,
    ...(observed.pod?.ended ? { lastFailureMs: observed.pod.ended.atMs } : lastFailure(observed.status)),
  };
}

/** It has its place. One step towards a running pod that is made from what is wanted. */
function admittedPlan(observed: Observed, desired: Desired): Plan {
  const { pod } = observed;
  const { children } = desired;
  const failures = countedFailures(observed, pod);
  const base = { ...admittedBase(observed), children, specHash: desired.specHash, failures };
  if (!pod) {
    const waitMs = retryInMs(observed, failures);
    if (waitMs > 0)
      return {
        ...base,
        ...starting(observed, "BackOff", `tried again after a pause, ${failures} failures in a row`),
        pod: keep,
        requeueAfterMs: waitMs,
      };
    return {
      ...base,
      ...starting(observed, "Creating", "the agent's pod is being created"),
      pod: { do: "Create", pod: desired.pod },
    };
  }
  if (pod.isDeleting) return { ...base, ...starting(observed, "Replacing", "the agent's old pod is ending"), pod: keep };
  if (pod.hash !== desired.podHash) {
    const step: PodStep = { do: "Delete", uid: pod.uid, because: "it was made from something else than what is wanted now" };
    // A new spec is a new attempt: what failed before does not slow it down.
    return {
      ...base,
      failures: 0,
      ...starting(observed, "Replacing", "the agent is replaced: what it is made from has changed"),
      pod: step,
    };
  }
  if (pod.ended) return endedPlan(observed, { base, failures, ended: pod.ended });
  return { ...base, ...observeRunning(observed), children, specHash: desired.specHash };
}

function endedPlan(
  observed: Observed,
  {
    base,
    failures,
    ended,
  }: { base: Pick<Plan, "admitted" | "children">; failures: number; ended: NonNullable<ObservedPod["ended"]> },
): Plan {
  const outcome = outcomeOf(ended, observed.spec.mode);
  const { reason, message } = outcome.kind === "Failed" ? outcome : { reason: "AgentExited", message: "the agent ended" };
  const waitMs = retryInMs(
    { ...observed, status: { ...observed.status, lastFailureTime: new Date(ended.atMs).toISOString() } },
    failures,
  );
  // Until the pause is over the failed pod stays, so that its log can be read.
  const step: PodStep =
    waitMs > 0 ? keep : { do: "Delete", uid: observed.pod?.uid ?? "", because: "it failed and is tried again" };
  return {
    ...base,
    phase: "Starting",
    ready: { type: "Ready", status: "False", reason, message },
    pod: step,
    failures,
    lastFailureMs: ended.atMs,
    ...(waitMs > 0 && { requeueAfterMs: waitMs }),
  };
}

function admittedBase({ spec, status }: Observed): Pick<Plan, "admitted"> & { lastFailureMs?: number } {
  const cores = `${spec.resources.cpus} ${spec.resources.pinning === "Exclusive" ? "exclusive" : "shared"}`;
  return {
    admitted: {
      type: "Admitted",
      status: "True",
      reason: "Admitted",
      message: `has its place: ${cores} ${spec.resources.cpus === 1 ? "core" : "cores"}`,
    },
    ...lastFailure(status),
  };
}

/** The pod lives: is it ready, and if not, what does it wait for? */
function observeRunning(observed: Observed): Plan {
  const { pod, status, nowMs } = observed;
  const failures = status.failures ?? 0;
  const base = { ...admittedBase(observed), children: [], pod: keep, failures };
  if (!pod) return { ...base, ...starting(observed, "Creating", "the agent's pod is being created") };
  if (pod.readySinceMs === undefined && pod.phase === "Running" && status.phase === "Running") {
    const message = "the agent runs but is not ready: it has lost risk, or its program is busy";
    return { ...base, phase: "Running", ready: { type: "Ready", status: "False", reason: "AgentNotReady", message } };
  }
  if (pod.readySinceMs === undefined) {
    const waiting = pod.waiting && { reason: pod.waiting.reason, message: pod.waiting.message };
    return { ...base, ...starting(observed, waiting?.reason ?? "Starting", waiting?.message ?? "the agent is starting") };
  }
  const running = {
    ...base,
    phase: "Running" as const,
    ready: { type: "Ready", status: "True", reason: "Running", message: "the agent runs" } as const,
  };
  if (failures === 0) return running;
  const recoversInMs = pod.readySinceMs + recoveredAfterMs - nowMs;
  return recoversInMs <= 0 ? { ...running, failures: 0 } : { ...running, requeueAfterMs: recoversInMs };
}

const failureReasons = new Set<string>(["ProgramFailed", "BadInput", "BadConfig", "AgentCrashed", "AgentExited", "PodRejected"]);

/** After a failure the failure stays what is shown until the agent is ready again: it is what a person has to know. */
function starting({ status, desired }: Observed, reason: string, message: string): Pick<Plan, "phase" | "ready"> {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  const isSticky =
    ready !== undefined &&
    failureReasons.has(ready.reason) &&
    (status.failures ?? 0) > 0 &&
    status.specHash === desired?.specHash;
  const told = isSticky ? { reason: ready.reason, message: ready.message } : { reason, message };
  return { phase: "Starting", ready: { type: "Ready", status: "False", ...told } };
}

/** Failures in a row, this pod's included; each pod's failure is counted once, told apart by when it ended. */
function countedFailures({ status, desired }: Observed, pod: ObservedPod | undefined): number {
  const before = status.specHash === undefined || status.specHash === desired?.specHash ? (status.failures ?? 0) : 0;
  if (!pod?.ended) return before;
  const isCounted =
    status.lastFailureTime !== undefined && Date.parse(status.lastFailureTime) >= Math.floor(pod.ended.atMs / 1000) * 1000;
  return isCounted ? before : before + 1;
}

function retryInMs({ status, backoff, nowMs }: Observed, failures: number): number {
  if (failures === 0 || status.lastFailureTime === undefined) return 0;
  return Math.max(0, Date.parse(status.lastFailureTime) + backoffMs(failures, backoff) - nowMs);
}

function lastFailure({ lastFailureTime }: StrategyStatus): { lastFailureMs?: number } {
  return lastFailureTime === undefined ? {} : { lastFailureMs: Date.parse(lastFailureTime) };
}
