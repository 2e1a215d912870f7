import { describe, expect, test } from "vitest";
import { judgeSource, missingControllers, type SourceFacts } from "./source-problems.ts";

const good: SourceFacts = {
  platform: "linux",
  isRoot: true,
  cores: 2,
  hasGo: true,
  missingBinaries: [],
  missingPackages: [],
  hasApt: true,
  freeDiskBytes: 100 * 2 ** 30,
  takenPorts: [],
  missingControllers: [],
  missingKernel: [],
  foreignNode: [],
};

describe("preflight of the source cluster", () => {
  test("finds nothing on a machine that has everything", () => {
    expect(judgeSource(good)).toEqual([]);
  });

  test.each([
    { when: "not root", facts: { isRoot: false }, says: "not root" },
    { when: "one core", facts: { cores: 1 }, says: "1 CPU" },
    {
      when: "Go is missing and something must be built",
      facts: { hasGo: false, missingBinaries: ["kubelet"] },
      says: "Go is missing and kubelet must be built",
    },
    {
      when: "packages are missing and there is no apt-get",
      facts: { hasApt: false, missingPackages: ["runc"] },
      says: "runc not installed",
    },
    {
      when: "a cold build lacks disk",
      facts: { missingBinaries: ["kubelet"], freeDiskBytes: 8 * 2 ** 30 },
      says: "8.0 GiB of disk free",
    },
    {
      when: "the API port is taken",
      facts: { takenPorts: [{ port: 6443, owner: "kube-apiserver" }] },
      says: "port 6443 is taken",
    },
    { when: "a controller is absent", facts: { missingControllers: ["cpuset"] }, says: "cgroup controller cpuset is absent" },
    { when: "the kernel has no overlay", facts: { missingKernel: ["overlay file systems"] }, says: "the kernel cannot: overlay" },
    { when: "another node is here", facts: { foreignNode: ["cgroup kubepods"] }, says: "another Kubernetes node" },
    { when: "this is no Linux", facts: { platform: "darwin", isRoot: false }, says: "Linux only" },
  ])("says so when $when", ({ facts, says }) => {
    const problems = judgeSource({ ...good, ...facts });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.what).toContain(says);
    expect(problems[0]?.remedy).not.toBe("");
  });

  test.each([
    { when: "Go is missing but nothing must be built", facts: { hasGo: false } },
    { when: "packages are missing but apt-get can install them", facts: { missingPackages: ["runc"] } },
    { when: "8 GiB are free and everything is built", facts: { freeDiskBytes: 8 * 2 ** 30 } },
  ])("is content when $when", ({ facts }) => {
    expect(judgeSource({ ...good, ...facts })).toEqual([]);
  });

  test("names everything at once", () => {
    expect(judgeSource({ ...good, isRoot: false, cores: 1, missingControllers: ["cpuset", "memory"] })).toHaveLength(4);
  });
});

describe("cgroup controllers", () => {
  const v1 = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t1\t1\t1\nmemory\t4\t1\t1\npids\t8\t1\t1\n";
  test.each([
    { when: "all are mounted as v1", cgroups: v1, unified: "", missing: [] },
    {
      when: "all are unified",
      cgroups: v1.replaceAll(/\t\d\t1\t1/g, "\t0\t1\t1"),
      unified: "cpuset cpu io memory pids\n",
      missing: [],
    },
    { when: "memory is disabled", cgroups: v1.replace("memory\t4\t1\t1", "memory\t0\t1\t0"), unified: "", missing: ["memory"] },
    { when: "cpuset is mounted nowhere", cgroups: v1.replace("cpuset\t3", "cpuset\t0"), unified: "", missing: ["cpuset"] },
  ])("missing $missing when $when", ({ cgroups, unified, missing }) => {
    expect(missingControllers(cgroups, unified)).toEqual(missing);
  });
});
