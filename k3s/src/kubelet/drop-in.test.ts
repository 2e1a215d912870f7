import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { defaultSharedCores, kubeletDropIn, reservedMilliCpu } from "./drop-in.ts";

describe("the kubelet drop-in", () => {
  test.each([
    { totalCores: 2, sharedCores: 1, cpu: "100m", allocatable: 1900 },
    { totalCores: 4, sharedCores: 1, cpu: "100m", allocatable: 3900 },
    { totalCores: 8, sharedCores: 2, cpu: "1100m", allocatable: 6900 },
  ])("reserves $cpu for $sharedCores shared of $totalCores cores", ({ totalCores, sharedCores, cpu, allocatable }) => {
    const text = kubeletDropIn({ totalCores, sharedCores });
    expect(parse(text)).toMatchObject({ kind: "KubeletConfiguration", cpuManagerPolicy: "static", kubeReserved: { cpu } });
    expect(totalCores * 1000 - reservedMilliCpu(sharedCores)).toBe(allocatable);
  });

  test("holds only what pins: policy and reservation", () => {
    expect(Object.keys(parse(kubeletDropIn({ totalCores: 2, sharedCores: 1 }))).sort()).toEqual(
      ["apiVersion", "cpuManagerPolicy", "kind", "kubeReserved"].sort(),
    );
  });

  test.each([
    { totalCores: 1, sharedCores: 1 },
    { totalCores: 2, sharedCores: 2 },
    { totalCores: 2, sharedCores: 0 },
    { totalCores: 4, sharedCores: 1.5 },
  ])("refuses $sharedCores shared of $totalCores cores", (split) => {
    expect(() => kubeletDropIn(split)).toThrow(RangeError);
  });

  test.each([
    [2, 1],
    [4, 1],
    [8, 2],
    [16, 2],
  ])("shares by default on %i cores: %i", (totalCores, sharedCores) => {
    expect(defaultSharedCores(totalCores)).toBe(sharedCores);
  });
});
