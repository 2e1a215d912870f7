import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Admission,
  type Claim,
  type LedgerInput,
  type NodeCpus,
  type PodCpus,
  admissionMessage,
  admit,
} from "./cpu-ledger.ts";

/** The droplet of the default plan: 8 cores, 2 of them shared, 900m of small pods. */
const droplet: NodeCpus = { name: "droplet", allocatableMilli: 6900, exclusivePoolCores: 6, schedulable: true };
const small: PodCpus = { node: "droplet", requestMilli: 900, exclusiveCores: 0 };

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
const pinned = (claimUid: string | undefined, exclusiveCores: number): PodCpus => ({
  node: "droplet",
  requestMilli: exclusiveCores * 1000,
  exclusiveCores,
  ...(claimUid !== undefined && { claimUid }),
});
const decide = (input: Partial<LedgerInput>): Record<string, true | string> =>
  Object.fromEntries(
    [...admit({ nodes: [droplet], pods: [small], claims: [], maxParallelAgents: 100, ...input })].map(([uid, admission]) => [
      uid,
      told(admission),
    ]),
  );
const told = (admission: Admission): true | string =>
  admission.granted ? true : `${admission.reason}: ${admissionMessage(admission)}`;

describe("the CPU ledger", () => {
  test.each<{ when: string; given: Partial<LedgerInput>; then: Record<string, true | string> }>([
    { when: "there is room", given: { claims: [claim("a", { cores: 6 })] }, then: { a: true } },
    {
      when: "fewer cores are free than wanted",
      given: { pods: [small, pinned(undefined, 5)], claims: [claim("a", { cores: 2 })] },
      then: { a: "InsufficientExclusiveCpu: wants 2, free 1 of 6" },
    },
    {
      when: "a foreign pod's request leaves no whole core, though the pool has some",
      given: { pods: [{ ...small, requestMilli: 1000 }, pinned(undefined, 5)], claims: [claim("a")] },
      then: { a: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "a foreign Guaranteed pod holds the pool",
      given: { pods: [pinned(undefined, 6)], claims: [claim("a")] },
      then: { a: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "requests would fit but the pool is used up",
      given: { nodes: [{ ...droplet, allocatableMilli: 7900 }], pods: [pinned(undefined, 6)], claims: [claim("a")] },
      then: { a: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "one runs and another wants the same core",
      given: {
        nodes: [{ ...droplet, allocatableMilli: 1900, exclusivePoolCores: 1 }],
        pods: [small, pinned("a", 1)],
        claims: [claim("a", { holds: true }), claim("b", { priority: 1000 })],
      },
      then: { a: true, b: "InsufficientExclusiveCpu: wants 1, free 0 of 1" },
    },
    {
      when: "the pod of one that was admitted is being replaced",
      given: {
        nodes: [{ ...droplet, allocatableMilli: 1900, exclusivePoolCores: 1 }],
        claims: [claim("a", { holds: true }), claim("b", { priority: 1000 })],
      },
      then: { a: true, b: "InsufficientExclusiveCpu: wants 1, free 0 of 1" },
    },
    {
      when: "two wait for one core: priority comes first",
      given: {
        pods: [small, pinned(undefined, 5)],
        claims: [claim("old", { createdMs: 1 }), claim("urgent", { createdMs: 2, priority: 501 })],
      },
      then: { urgent: true, old: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "two of one priority wait for one core: the older comes first",
      given: { pods: [small, pinned(undefined, 5)], claims: [claim("young", { createdMs: 2 }), claim("old", { createdMs: 1 })] },
      then: { old: true, young: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "a large one waits before a small one: the small one does not take its cores",
      given: {
        pods: [small, pinned("r", 5)],
        claims: [claim("r", { holds: true, cores: 5 }), claim("large", { cores: 4, priority: 900 }), claim("small")],
      },
      then: {
        r: true,
        large: "InsufficientExclusiveCpu: wants 4, free 1 of 6",
        small: "InsufficientExclusiveCpu: wants 1, free 1 of 6; they are kept for default/large, which comes first",
      },
    },
    {
      when: "a claim larger than any node waits: it holds up nobody",
      given: { claims: [claim("huge", { cores: 7, priority: 1000 }), claim("small")] },
      then: { huge: "InsufficientExclusiveCpu: wants 7, free 6 of 6", small: true },
    },
    {
      when: "as many agents run as may",
      given: {
        claims: [claim("a", { holds: true }), claim("b", { createdMs: 1 }), claim("c", { createdMs: 2 })],
        maxParallelAgents: 2,
      },
      then: { a: true, b: true, c: "MaxParallelAgents: 2 agents run, at most 2 may (maxParallelAgents)" },
    },
    {
      when: "a Shared agent runs: it counts against maxParallelAgents, too",
      given: { claims: [claim("a", { holds: true, pinning: "Shared" }), claim("b")], maxParallelAgents: 1 },
      then: { a: true, b: "MaxParallelAgents: 1 agents run, at most 1 may (maxParallelAgents)" },
    },
    {
      when: "a Shared agent asks while every core is held",
      given: { pods: [{ ...small, requestMilli: 800 }, pinned(undefined, 6)], claims: [claim("a", { pinning: "Shared" })] },
      then: { a: true },
    },
    {
      when: "a Shared agent asks and its request does not fit",
      given: { pods: [{ ...small, requestMilli: 880 }, pinned(undefined, 6)], claims: [claim("a", { pinning: "Shared" })] },
      then: { a: "InsufficientCpu: wants 50m of the shared cores, free 20m" },
    },
    {
      when: "a Shared agent takes the room a whole core would need",
      given: {
        nodes: [{ ...droplet, allocatableMilli: 1900, exclusivePoolCores: 1 }],
        claims: [claim("s", { pinning: "Shared", priority: 501 }), claim("e")],
      },
      then: { s: true, e: "InsufficientExclusiveCpu: wants 1, free 0 of 1" },
    },
    {
      when: "the kubelet pins nothing: requests decide",
      given: {
        nodes: [{ ...droplet, allocatableMilli: 7800, exclusivePoolCores: undefined }],
        claims: [claim("a", { cores: 6 }), claim("b", { createdMs: 1 })],
      },
      then: { a: true, b: "InsufficientExclusiveCpu: wants 1, free 0 of 7" },
    },
    {
      when: "there is no node",
      given: { nodes: [], claims: [claim("a")] },
      then: { a: "NoNode: no node is ready to take a pod" },
    },
    {
      when: "the only node is cordoned",
      given: { nodes: [{ ...droplet, schedulable: false }], claims: [claim("a")] },
      then: { a: "NoNode: no node is ready to take a pod" },
    },
    {
      when: "two nodes have room: the emptier one decides",
      given: {
        nodes: [droplet, { ...droplet, name: "second" }],
        pods: [small, pinned(undefined, 5)],
        claims: [claim("a", { cores: 6 }), claim("b", { createdMs: 1 }), claim("c", { createdMs: 2 })],
      },
      then: { a: true, b: true, c: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
    {
      when: "a node is overcommitted: free is 0, not below",
      given: { pods: [{ ...small, requestMilli: 9000 }], claims: [claim("a")] },
      then: { a: "InsufficientExclusiveCpu: wants 1, free 0 of 6" },
    },
  ])("$when", ({ given, then }) => {
    expect(decide(given)).toEqual(then);
  });
});

const arbitraryInput: fc.Arbitrary<LedgerInput> = fc.record({
  nodes: fc
    .array(
      fc.record({
        cores: fc.integer({ min: 1, max: 16 }),
        shared: fc.integer({ min: 1, max: 3 }),
        pins: fc.boolean(),
        schedulable: fc.boolean(),
      }),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    .map((nodes) =>
      nodes.map(({ cores, shared, pins, schedulable }, index) => ({
        name: `node-${index}`,
        allocatableMilli: Math.max(0, (cores - shared) * 1000 + 900),
        exclusivePoolCores: pins ? Math.max(0, cores - shared) : undefined,
        schedulable,
      })),
    ),
  pods: fc.array(
    fc.record({
      node: fc.integer({ min: 0, max: 2 }).map((index) => `node-${index}`),
      requestMilli: fc.integer({ min: 0, max: 3000 }),
      exclusiveCores: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 6 },
  ),
  claims: fc
    .array(
      fc.record({
        pinning: fc.constantFrom("Exclusive" as const, "Shared" as const),
        cores: fc.integer({ min: 1, max: 8 }),
        requestMilli: fc.constant(50),
        priority: fc.integer({ min: 0, max: 3 }),
        createdMs: fc.integer({ min: 0, max: 3 }),
      }),
      { maxLength: 12 },
    )
    .map((claims) => claims.map((fields, index) => claim(`c${index}`, fields))),
  maxParallelAgents: fc.integer({ min: 1, max: 8 }),
});

const coresOf = (claims: readonly Claim[]): number =>
  claims.filter(({ pinning }) => pinning === "Exclusive").reduce((sum, { cores }) => sum + cores, 0);

describe("over generated ledgers", () => {
  test("what is granted fits: agents, cores of all pools, requests", () => {
    fc.assert(
      fc.property(arbitraryInput, (input) => {
        const admissions = admit(input);
        const granted = input.claims.filter(({ uid }) => admissions.get(uid)?.granted);
        expect(granted.length).toBeLessThanOrEqual(input.maxParallelAgents);
        const open = input.nodes.filter((node) => node.schedulable);
        const milli = (node: NodeCpus): number =>
          Math.max(
            0,
            node.allocatableMilli -
              input.pods.filter((pod) => pod.node === node.name).reduce((sum, pod) => sum + pod.requestMilli, 0),
          );
        const capacity = open.reduce((sum, node) => sum + Math.floor(milli(node) / 1000), 0);
        const pool = open.reduce((sum, node) => sum + (node.exclusivePoolCores ?? Number.POSITIVE_INFINITY), 0);
        expect(coresOf(granted)).toBeLessThanOrEqual(Math.min(capacity, pool));
      }),
    );
  });

  test("the answer does not depend on the order of the lists", () => {
    fc.assert(
      fc.property(arbitraryInput, (input) => {
        const turned = {
          ...input,
          nodes: input.nodes.toReversed(),
          pods: input.pods.toReversed(),
          claims: input.claims.toReversed(),
        };
        expect(Object.fromEntries(admit(turned))).toEqual(Object.fromEntries(admit(input)));
      }),
    );
  });

  test("once granted, a claim keeps its place whatever else asks", () => {
    fc.assert(
      fc.property(arbitraryInput, arbitraryInput, (input, later) => {
        const first = admit(input);
        const holders = input.claims.filter(({ uid }) => first.get(uid)?.granted).map((each) => ({ ...each, holds: true }));
        const newcomers = later.claims.map((each) => ({ ...each, uid: `late-${each.uid}`, priority: 1000 }));
        const second = admit({ ...input, claims: [...holders, ...newcomers] });
        for (const holder of holders) expect(second.get(holder.uid)).toEqual({ granted: true });
      }),
    );
  });

  test("a second look at a settled world of one node grants nothing that the first refused", () => {
    fc.assert(
      // Of several nodes the scheduler says where a pod goes; while none is bound, holders laid out anew may leave room that was not there.
      fc.property(arbitraryInput, ({ nodes, ...rest }) => {
        const input = { ...rest, nodes: nodes.slice(0, 1) };
        const first = admit(input);
        const claims = input.claims.map((each) => ({ ...each, holds: first.get(each.uid)?.granted === true }));
        const second = admit({ ...input, claims });
        for (const { uid } of input.claims) expect(second.get(uid)?.granted).toBe(first.get(uid)?.granted);
      }),
    );
  });
});
