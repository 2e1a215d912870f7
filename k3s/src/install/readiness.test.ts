import { describe, expect, test } from "vitest";
import { imageFault, podFault, strategyFault, workloadFault } from "./readiness.ts";

const metadata = { name: "x", namespace: "bellwether" };
const ready = [{ type: "Ready", status: "True" }];

describe("a pod", () => {
  test.each([
    { when: "it is ready", pod: { status: { phase: "Running", conditions: ready } }, says: undefined },
    { when: "it has completed", pod: { status: { phase: "Succeeded" } }, says: undefined },
    { when: "it starts", pod: { status: { phase: "Running" } }, says: "pod x: not ready yet" },
    {
      when: "no core is free",
      pod: { status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "Insufficient cpu" }] } },
      says: "pod x: Insufficient cpu",
    },
    {
      when: "it crashes",
      pod: {
        status: {
          phase: "Running",
          containerStatuses: [{ name: "c", ready: false, state: { waiting: { reason: "CrashLoopBackOff" } } }],
        },
      },
      says: "pod x: CrashLoopBackOff",
    },
  ])("$says when $when", ({ pod, says }) => {
    expect(podFault({ metadata, ...pod })).toBe(says);
  });
});

test.each([
  { when: "an older build", image: "localhost/bellwether/risk:old", phase: "Running", says: "pod x: still of an older image" },
  { when: "the current build", image: "localhost/bellwether/risk:new", phase: "Running", says: undefined },
  { when: "somebody else's image", image: "docker.example.com/redis:7", phase: "Running", says: undefined },
  { when: "an older build, but has ended", image: "localhost/bellwether/risk:old", phase: "Succeeded", says: undefined },
])("a pod of $when: $says", ({ image, phase, says }) => {
  const current = new Map([["risk", "localhost/bellwether/risk:new"]]);
  expect(imageFault({ metadata, spec: { containers: [{ image }] }, status: { phase } }, current)).toBe(says);
});

describe("a workload", () => {
  const meta = { name: "w", generation: 2 };
  test.each([
    {
      when: "rolled out",
      workload: { kind: "Deployment", status: { observedGeneration: 2, readyReplicas: 1, updatedReplicas: 1 } },
      says: undefined,
    },
    {
      when: "the old one is still ready",
      workload: { kind: "Deployment", status: { observedGeneration: 2, readyReplicas: 1 } },
      says: "Deployment w: rolling out",
    },
    {
      when: "unseen",
      workload: { kind: "StatefulSet", status: { observedGeneration: 1, readyReplicas: 1 } },
      says: "StatefulSet w: not seen by its controller yet",
    },
    {
      when: "on every node",
      workload: {
        kind: "DaemonSet",
        status: { observedGeneration: 2, desiredNumberScheduled: 1, numberReady: 1, updatedNumberScheduled: 1 },
      },
      says: undefined,
    },
    {
      when: "on no node",
      workload: { kind: "DaemonSet", status: { observedGeneration: 2, desiredNumberScheduled: 0 } },
      says: "DaemonSet w: no node for it yet",
    },
    {
      when: "the new pod is there and the old one ready",
      workload: { kind: "Deployment", status: { observedGeneration: 2, replicas: 2, readyReplicas: 1, updatedReplicas: 1 } },
      says: "Deployment w: rolling out",
    },
  ])("$says when $when", ({ workload, says }) => {
    expect(workloadFault({ metadata: meta, spec: { replicas: 1 }, ...workload })).toBe(says);
  });
});

describe("a strategy", () => {
  test.each([
    { phase: "Running", others: 0, says: undefined },
    { phase: "Paused", others: 0, says: undefined },
    { phase: "Queued", others: 1, says: undefined },
    { phase: "Queued", others: 0, says: "strategy x: Queued (Admitted: wants 1, free 0 of 1)" },
  ])("$phase beside $others others: $says", ({ phase, others, says }) => {
    const conditions = [{ type: "Admitted", status: "False", message: "wants 1, free 0 of 1" }];
    expect(strategyFault({ metadata, status: { phase, conditions } }, others)).toBe(says);
  });

  test.each([
    { reason: "NotRegistered", says: "strategy x: Running (TradingAllowed: in a sentence)" },
    { reason: "PolicyHalted", says: undefined },
    { reason: "Active", says: undefined },
  ])("that runs, with trading $reason: $says", ({ reason, says }) => {
    const conditions = [
      { type: "Pinned", status: "Unknown", message: "not asked yet" },
      { type: "TradingAllowed", status: reason === "Active" ? "True" : "False", reason, message: "in a sentence" },
    ];
    expect(strategyFault({ metadata, status: { phase: "Running", conditions } }, 0)).toBe(says);
  });
});
