import { describe, expect, test } from "vitest";
import { milliCores, podCpus, quantity } from "./pod-cpus.ts";

const container = (cpu: string, limit = cpu) => ({
  resources: { requests: { cpu, memory: "1Gi" }, limits: { cpu: limit, memory: "1Gi" } },
});
const pod = (spec: object, phase = "Running") => ({ spec: { nodeName: "n", ...spec }, status: { phase } });

describe("podCpus", () => {
  test.each([
    {
      when: "a Guaranteed pod asks for whole cores",
      pod: pod({ containers: [container("2")] }),
      then: { requestMilli: 2000, exclusiveCores: 2 },
    },
    {
      when: "quantities are written differently",
      pod: pod({ containers: [container("1000m", "1")] }),
      then: { requestMilli: 1000, exclusiveCores: 1 },
    },
    {
      when: "a Guaranteed pod asks for a fraction",
      pod: pod({ containers: [container("1500m")] }),
      then: { requestMilli: 1500, exclusiveCores: 0 },
    },
    {
      when: "the limit is above the request",
      pod: pod({ containers: [container("1", "2")] }),
      then: { requestMilli: 1000, exclusiveCores: 0 },
    },
    {
      when: "only limits are given",
      pod: pod({ containers: [{ resources: { limits: { cpu: "1", memory: "1Mi" } } }] }),
      then: { requestMilli: 1000, exclusiveCores: 1 },
    },
    {
      when: "memory has no limit",
      pod: pod({ containers: [{ resources: { requests: { cpu: "1" }, limits: { cpu: "1" } } }] }),
      then: { requestMilli: 1000, exclusiveCores: 0 },
    },
    {
      when: "one container is not Guaranteed",
      pod: pod({ containers: [container("1"), { resources: {} }] }),
      then: { requestMilli: 1000, exclusiveCores: 0 },
    },
    {
      when: "one container is whole and one a fraction",
      pod: pod({ containers: [container("1"), container("100m")] }),
      then: { requestMilli: 1100, exclusiveCores: 1 },
    },
    {
      when: "an init container asks for more",
      pod: pod({ containers: [container("1")], initContainers: [container("1500m")] }),
      then: { requestMilli: 1500, exclusiveCores: 1 },
    },
    {
      when: "a sidecar stays",
      pod: pod({
        containers: [container("1")],
        initContainers: [{ ...container("1"), restartPolicy: "Always" }, container("500m")],
      }),
      then: { requestMilli: 2000, exclusiveCores: 2 },
    },
    {
      when: "the runtime class has overhead",
      pod: pod({ containers: [container("1")], overhead: { cpu: "250m" } }),
      then: { requestMilli: 1250, exclusiveCores: 1 },
    },
    { when: "nothing is asked for", pod: pod({ containers: [{}] }), then: { requestMilli: 0, exclusiveCores: 0 } },
  ])("$when → $then", ({ pod, then }) => {
    expect(podCpus(pod)).toEqual({ node: "n", ...then });
  });

  test.each(["Succeeded", "Failed"])("counts nothing once the pod is %s", (phase) => {
    expect(podCpus(pod({ containers: [container("1")] }, phase))).toBeUndefined();
  });

  test("counts nothing before the pod is bound", () => {
    expect(podCpus({ spec: { containers: [container("1")] } })).toBeUndefined();
  });
});

describe("quantity", () => {
  test.each([
    ["1", 1],
    ["0.5", 0.5],
    ["250m", 0.25],
    ["1e3", 1000],
    ["1E", 1e18],
    ["2Gi", 2 ** 31],
    ["x", undefined],
    ["1Q", undefined],
  ])("%s is %s", (text, value) => {
    expect(quantity(text)).toBe(value);
  });

  test("takes fractions of a milli-core as a whole one, but no float dust", () => {
    expect(milliCores("0.29")).toBe(290);
    expect(milliCores("100100u")).toBe(101);
    expect(milliCores(undefined)).toBeUndefined();
  });
});
