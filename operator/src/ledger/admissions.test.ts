import { describe, expect, test } from "vitest";
import { Admissions } from "./admissions.ts";
import type { Claim, NodeCpus, PodCpus } from "./cpu-ledger.ts";

const node: NodeCpus = { name: "droplet", allocatableMilli: 1900, exclusivePoolCores: 1, schedulable: true };
const claim = (uid: string, fields: Partial<Claim> = {}): Claim => ({
  uid,
  name: `default/${uid}`,
  isAgent: true,
  pinning: "Exclusive",
  cores: 1,
  requestMilli: 50,
  priority: 500,
  createdMs: 0,
  holds: false,
  ...fields,
});

function world() {
  const pods: PodCpus[] = [];
  const told: string[][] = [];
  const admissions = new Admissions({
    nodes: () => [node],
    pods: () => pods,
    maxParallelAgents: 4,
    onChange: (uids) => told.push([...uids]),
  });
  return { pods, told, admissions };
}

describe("admissions over time", () => {
  test("a granted place is taken at once, before its pod is made", () => {
    const { admissions } = world();
    expect(admissions.ask(claim("a"))).toEqual({ granted: true });
    expect(admissions.ask(claim("b", { priority: 1000 }))).toMatchObject({ granted: false, reason: "InsufficientExclusiveCpu" });
    expect(admissions.ask(claim("a"))).toEqual({ granted: true });
  });

  test("who waits is told when the place becomes free", () => {
    const { admissions, told } = world();
    admissions.ask(claim("a"));
    admissions.ask(claim("b"));
    told.length = 0;
    admissions.withdraw("a");
    expect(told).toEqual([["b"]]);
    expect(admissions.ask(claim("b"))).toEqual({ granted: true });
  });

  test("a pod that goes on ending keeps its cores until it is gone", () => {
    const { admissions, pods, told } = world();
    admissions.ask(claim("a"));
    pods.push({ node: "droplet", requestMilli: 1000, exclusiveCores: 1, claimUid: "a" });
    admissions.changed();
    admissions.withdraw("a");
    expect(admissions.ask(claim("b"))).toMatchObject({ granted: false, freeCores: 0 });
    told.length = 0;
    pods.length = 0;
    admissions.changed();
    expect(told).toEqual([["b"]]);
  });

  test("nobody new is let in before everybody has been looked at once", () => {
    const { admissions } = world();
    admissions.begin(["a", "b"]);
    expect(admissions.ask(claim("b"))).toBeUndefined();
    expect(admissions.ask(claim("a", { holds: true }))).toEqual({ granted: true });
    expect(admissions.ask(claim("b"))).toMatchObject({ granted: false, reason: "InsufficientExclusiveCpu" });
  });

  test("what is looked at and wants nothing opens the door, too", () => {
    const { admissions, told } = world();
    admissions.begin(["a", "b"]);
    admissions.ask(claim("b"));
    admissions.seen("a");
    expect(told).toEqual([["b"]]);
    expect(admissions.ask(claim("b"))).toEqual({ granted: true });
  });

  test("asking for more cores than it holds is asking anew", () => {
    const { admissions, pods } = world();
    admissions.ask(claim("a"));
    pods.push({ node: "droplet", requestMilli: 1000, exclusiveCores: 1, claimUid: "a" });
    expect(admissions.ask(claim("a", { cores: 2 }))).toEqual({
      granted: false,
      reason: "InsufficientExclusiveCpu",
      wantsCores: 2,
      freeCores: 1,
      totalCores: 1,
    });
  });
});
