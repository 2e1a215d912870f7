import { describe, expect, test } from "vitest";
import { effectiveStrategySpec } from "@bellwether/crds";
import type { ObservedPod } from "../observed-pod.ts";
import { testStrategy } from "../testing/objects.ts";
import { type Desired, type Observed, plan, wantsPlace } from "./plan.ts";

const nowMs = Date.parse("2026-01-01T00:10:00Z");
const manifest = (kind: string) => ({ apiVersion: "v1", kind, metadata: { name: "strat-a-agent", namespace: "demo" } });
const desired: Desired = {
  specHash: "spec-1",
  podHash: "pod-1",
  pod: manifest("Pod"),
  children: [manifest("ServiceAccount"), manifest("ConfigMap")],
};

const pod = (fields: Partial<ObservedPod> = {}): ObservedPod => ({
  name: "strat-a-agent",
  uid: "pod-uid",
  isDeleting: false,
  phase: "Running",
  hash: "pod-1",
  node: "droplet",
  readySinceMs: nowMs - 1_000,
  waiting: undefined,
  ended: undefined,
  ...fields,
});
const ended = (message: object | string, fields: Partial<NonNullable<ObservedPod["ended"]>> = {}): ObservedPod =>
  pod({
    phase: "Failed",
    readySinceMs: undefined,
    ended: {
      exitCode: 70,
      reason: "Error",
      message: typeof message === "string" ? message : JSON.stringify(message),
      atMs: nowMs - 1_000,
      ...fields,
    },
  });

const observed = (fields: Partial<Observed> = {}): Observed => ({
  spec: effectiveStrategySpec(testStrategy("a").spec),
  isDeleting: false,
  fault: undefined,
  desired,
  registration: { state: "Accepted" },
  admission: { granted: true },
  pod: undefined,
  status: {},
  backoff: { firstMs: 10_000, lastMs: 300_000, failureLimit: 5 },
  nowMs,
  ...fields,
});
const backtest = effectiveStrategySpec(
  testStrategy("a", { mode: "Backtest", backtest: { dataset: { synthetic: { seed: 1 } } } }).spec,
);
const suspended = effectiveStrategySpec(testStrategy("a", { suspend: true }).spec);
const result = {
  bars: 9,
  trades: 1,
  pnlRatio: "0",
  maxDrawdownRatio: "0",
  sharpe: "0",
  finalEquity: "1",
  fees: "0",
  logSha256: "x",
};
const missing = { reason: "ProgramMissing", message: "no ConfigMap", stopsRunning: false } as const;
const broken = { reason: "RiskPolicyMissing", message: "no policy", stopsRunning: true } as const;
const queued = { granted: false, reason: "InsufficientExclusiveCpu", wantsCores: 2, freeCores: 1, totalCores: 6 } as const;
const failed = (failures: number, secondsAgo: number, reason = "ProgramFailed"): Observed["status"] => ({
  phase: "Starting",
  specHash: "spec-1",
  failures,
  lastFailureTime: new Date(nowMs - secondsAgo * 1_000).toISOString(),
  conditions: [{ type: "Ready", status: "False", reason, message: "TypeError: x", lastTransitionTime: "2026-01-01T00:00:00Z" }],
});

interface Scenario {
  when: string;
  given: Partial<Observed>;
  then: { phase: string; ready: string; pod: "Keep" | "Create" | "Delete"; wants: boolean };
}

describe("what should be true of a Strategy", () => {
  test.each<Scenario>([
    { when: "nothing is there yet", given: {}, then: { phase: "Starting", ready: "Creating", pod: "Create", wants: true } },
    {
      when: "it is being deleted",
      given: { isDeleting: true, pod: pod() },
      then: { phase: "Pending", ready: "Deleting", pod: "Delete", wants: false },
    },
    {
      when: "it is suspended",
      given: { spec: suspended, pod: pod() },
      then: { phase: "Paused", ready: "Suspended", pod: "Delete", wants: false },
    },
    {
      when: "its policy is missing",
      given: { fault: broken, desired: undefined, pod: pod() },
      then: { phase: "Pending", ready: "RiskPolicyMissing", pod: "Delete", wants: false },
    },
    {
      when: "its program is missing",
      given: { fault: missing, desired: undefined },
      then: { phase: "Pending", ready: "ProgramMissing", pod: "Keep", wants: false },
    },
    {
      when: "its program vanishes while it runs",
      given: { fault: missing, desired: undefined, pod: pod() },
      then: { phase: "Running", ready: "Running", pod: "Keep", wants: true },
    },
    {
      when: "risk does not answer and never knew it",
      given: { registration: { state: "Unreachable", message: "away", wasAccepted: false } },
      then: { phase: "Pending", ready: "RiskUnreachable", pod: "Keep", wants: false },
    },
    {
      when: "risk does not answer but knows it",
      given: { registration: { state: "Unreachable", message: "away", wasAccepted: true }, pod: pod() },
      then: { phase: "Running", ready: "Running", pod: "Keep", wants: true },
    },
    {
      when: "risk refuses it",
      given: { registration: { state: "Refused", message: "not flat" }, pod: pod() },
      then: { phase: "Pending", ready: "RegistrationRefused", pod: "Delete", wants: false },
    },
    {
      when: "no core is free",
      given: { admission: queued },
      then: { phase: "Queued", ready: "InsufficientExclusiveCpu", pod: "Keep", wants: true },
    },
    {
      when: "its pod is starting",
      given: { pod: pod({ phase: "Pending", readySinceMs: undefined }) },
      then: { phase: "Starting", ready: "Starting", pod: "Keep", wants: true },
    },
    {
      when: "its image cannot be pulled",
      given: { pod: pod({ phase: "Pending", readySinceMs: undefined, waiting: { reason: "ImagePullFailed", message: "…" } }) },
      then: { phase: "Starting", ready: "ImagePullFailed", pod: "Keep", wants: true },
    },
    { when: "its pod is ready", given: { pod: pod() }, then: { phase: "Running", ready: "Running", pod: "Keep", wants: true } },
    {
      when: "its pod was ready and is not",
      given: { pod: pod({ readySinceMs: undefined }), status: { phase: "Running" } },
      then: { phase: "Running", ready: "AgentNotReady", pod: "Keep", wants: true },
    },
    {
      when: "what it is made from has changed",
      given: { pod: pod({ hash: "pod-0" }) },
      then: { phase: "Starting", ready: "Replacing", pod: "Delete", wants: true },
    },
    {
      when: "its old pod is still ending",
      given: { pod: pod({ isDeleting: true }) },
      then: { phase: "Starting", ready: "Replacing", pod: "Keep", wants: true },
    },
    {
      when: "its program has just thrown",
      given: { pod: ended({ reason: "ProgramFailed", message: "TypeError: x" }) },
      then: { phase: "Starting", ready: "ProgramFailed", pod: "Keep", wants: true },
    },
    {
      when: "the pause after a failure is over",
      given: {
        pod: ended({ reason: "ProgramFailed", message: "TypeError: x" }, { atMs: nowMs - 11_000 }),
        status: failed(1, 11),
      },
      then: { phase: "Starting", ready: "ProgramFailed", pod: "Delete", wants: true },
    },
    {
      when: "the failed pod is gone and the pause is not over",
      given: { status: failed(2, 5) },
      then: { phase: "Starting", ready: "ProgramFailed", pod: "Keep", wants: true },
    },
    {
      when: "it is tried again",
      given: { status: failed(1, 60) },
      then: { phase: "Starting", ready: "ProgramFailed", pod: "Create", wants: true },
    },
    {
      when: "it has failed too often",
      given: { pod: ended({ reason: "ProgramFailed", message: "x" }), status: failed(4, 100) },
      then: { phase: "Failed", ready: "ProgramFailed", pod: "Keep", wants: false },
    },
    {
      when: "it was given up and its pod swept away",
      given: { status: { ...failed(5, 100), phase: "Failed" } },
      then: { phase: "Failed", ready: "ProgramFailed", pod: "Keep", wants: false },
    },
    {
      when: "it was given up and has been changed since",
      given: {
        pod: ended("", { atMs: nowMs - 100_000 }),
        status: { ...failed(5, 100), phase: "Failed", specHash: "spec-0" },
        desired: { ...desired, podHash: "pod-2" },
      },
      then: { phase: "Starting", ready: "Replacing", pod: "Delete", wants: true },
    },
    {
      when: "the kubelet rejected its pod",
      given: { pod: ended("", { exitCode: undefined, reason: "UnexpectedAdmissionError" }) },
      then: { phase: "Starting", ready: "PodRejected", pod: "Keep", wants: true },
    },
    {
      when: "a backtest has ended",
      given: {
        spec: backtest,
        registration: { state: "Unneeded" },
        pod: ended({ reason: "Completed", backtest: result }, { exitCode: 0 }),
      },
      then: { phase: "Completed", ready: "Completed", pod: "Keep", wants: false },
    },
    {
      when: "a backtest has ended and its pod was swept away",
      given: { spec: backtest, status: { phase: "Completed", specHash: "spec-1", backtest: result } },
      then: { phase: "Completed", ready: "Completed", pod: "Keep", wants: false },
    },
    {
      when: "a finished backtest was suspended and is resumed",
      given: { spec: backtest, status: { phase: "Paused", specHash: "spec-1", backtest: result } },
      then: { phase: "Completed", ready: "Completed", pod: "Keep", wants: false },
    },
    {
      when: "a finished backtest is changed",
      given: { spec: backtest, status: { phase: "Completed", specHash: "spec-0", backtest: result } },
      then: { phase: "Starting", ready: "Creating", pod: "Create", wants: true },
    },
    {
      when: "a backtest's data is wrong: the same again would end the same way",
      given: { spec: backtest, pod: ended({ reason: "BadInput", message: "line 7: negative price" }) },
      then: { phase: "Failed", ready: "BadInput", pod: "Keep", wants: false },
    },
  ])("when $when: $then.phase", ({ given, then }) => {
    const decided = plan(observed(given));
    expect({
      phase: decided.phase,
      ready: decided.ready.reason,
      pod: decided.pod.do,
      wants: wantsPlace(observed(given)),
    }).toEqual(then);
  });

  test("tells the numbers of a queue", () => {
    expect(plan(observed({ admission: queued })).admitted).toEqual({
      type: "Admitted",
      status: "False",
      reason: "InsufficientExclusiveCpu",
      message: "wants 2, free 1 of 6",
    });
  });

  test.each([
    [1, 10_000],
    [2, 20_000],
    [4, 80_000],
    [60, 300_000],
  ])("pauses after %i failures in a row for %i ms", (failures, waitMs) => {
    const decided = plan(
      observed({ status: failed(failures, 0), backoff: { firstMs: 10_000, lastMs: 300_000, failureLimit: 100 } }),
    );
    expect(decided.requeueAfterMs).toBe(waitMs);
  });

  test("counts each pod's failure once", () => {
    const atMs = nowMs - 5_000;
    const first = plan(observed({ pod: ended("", { atMs }) }));
    expect(first).toMatchObject({ failures: 1, lastFailureMs: atMs });
    const again = plan(
      observed({
        pod: ended("", { atMs }),
        status: { specHash: "spec-1", failures: 1, lastFailureTime: new Date(atMs).toISOString() },
      }),
    );
    expect(again.failures).toBe(1);
  });

  test("forgets failures once the agent has been ready for ten minutes", () => {
    const status = { specHash: "spec-1", failures: 3, lastFailureTime: "2026-01-01T00:00:00Z" };
    expect(plan(observed({ pod: pod({ readySinceMs: nowMs - 599_000 }), status }))).toMatchObject({
      failures: 3,
      requeueAfterMs: 1_000,
    });
    expect(plan(observed({ pod: pod({ readySinceMs: nowMs - 600_000 }), status })).failures).toBe(0);
  });

  test("a container that was killed for its memory is the program's failure", () => {
    const decided = plan(observed({ pod: ended("", { exitCode: 137, reason: "OOMKilled" }) }));
    expect(decided.ready).toMatchObject({
      reason: "ProgramFailed",
      message: expect.stringContaining("spec.resources.memory") as string,
    });
  });
});
