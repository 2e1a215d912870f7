/**
 * The CPU ledger: who may run now, and who waits for which cores. Pure; design.md §3 is its text.
 *
 *   on each node     free = min(exclusive pool − held, floor(allocatable − every request))
 *   in the cluster   at most `maxParallelAgents` agents at once
 *   order            who runs keeps its place; then priority, then age
 *
 * A claim that waits for cores holds its place: later ones do not take the cores it waits for, or a large strategy would starve behind small
 * ones for ever. A claim that could not run even on a node emptied of agents holds up nobody.
 *
 * Units: `…Cores` are whole cores, `…Milli` thousandths of one.
 */

export interface NodeCpus {
  readonly name: string;
  readonly allocatableMilli: number;
  /**
   * Cores that the kubelet hands out exclusively; `undefined` where it pins nothing (policy `none`): then requests alone decide.
   * The node agent reports it; before it does, capacity − shared cores.
   */
  readonly exclusivePoolCores: number | undefined;
  /** False for a node that is cordoned or not ready: what runs there counts, nothing new is placed there. */
  readonly schedulable: boolean;
}

/** A pod bound to a node that has not ended. Pods that are being deleted count until they are gone. */
export interface PodCpus {
  readonly node: string;
  readonly requestMilli: number;
  /** Cores that the static policy gives it alone: the whole CPUs of a Guaranteed pod's containers. */
  readonly exclusiveCores: number;
  /** The claim it belongs to; absent for every other pod, ours or foreign. */
  readonly claimUid?: string;
}

export interface Claim {
  readonly uid: string;
  /** `namespace/name`, for messages. */
  readonly name: string;
  /** `Exclusive`: `cores` whole cores of its own; `Shared`: `requestMilli` of the shared ones. */
  /** Counts among `maxParallelAgents`; a language model does not. */
  readonly isAgent: boolean;
  readonly pinning: "Exclusive" | "Shared";
  readonly cores: number;
  readonly requestMilli: number;
  readonly priority: number;
  readonly createdMs: number;
  /** It was admitted before and has not given its place back: its pod runs, starts, or is being replaced. */
  readonly holds: boolean;
}

export interface LedgerInput {
  readonly nodes: readonly NodeCpus[];
  readonly pods: readonly PodCpus[];
  readonly claims: readonly Claim[];
  readonly maxParallelAgents: number;
}

export type Admission =
  | { readonly granted: true }
  | {
      readonly granted: false;
      readonly reason: "InsufficientExclusiveCpu";
      readonly wantsCores: number;
      readonly freeCores: number;
      readonly totalCores: number;
      /** Set when the free cores are kept for a claim that comes first. */
      readonly keptFor?: string;
    }
  | { readonly granted: false; readonly reason: "InsufficientCpu"; readonly wantsMilli: number; readonly freeMilli: number }
  | { readonly granted: false; readonly reason: "MaxParallelAgents"; readonly running: number; readonly maximum: number }
  | { readonly granted: false; readonly reason: "NoNode" };

/** What is left of one node while claims are placed on it. */
interface Room {
  readonly node: NodeCpus;
  /** Cores the pool has in all; where nothing is pinned, the whole cores that can be requested. */
  readonly totalCores: number;
  freePoolCores: number;
  freeMilli: number;
  /** Free cores once every agent is gone: what a claim may hope for. */
  readonly reachableCores: number;
  keptCores: number;
  keptFor: string | undefined;
}

/** Decides every claim at once. The same input gives the same answer, whatever the order of its lists. */
export function admit(input: LedgerInput): ReadonlyMap<string, Admission> {
  const rooms = [...input.nodes].sort((a, b) => compareText(a.name, b.name)).map((node) => roomOf(node, input.pods));
  const placed = new Set(input.pods.flatMap((pod) => (pod.claimUid === undefined ? [] : [pod.claimUid])));
  const admissions = new Map<string, Admission>();
  let running = 0;
  for (const claim of [...input.claims].sort(inOrder)) {
    if (claim.holds) {
      running += Number(claim.isAgent);
      // Its pod is not bound yet, or is being replaced: its cores are spoken for all the same.
      if (!placed.has(claim.uid)) take(bestRoom(rooms, claim), claim);
      admissions.set(claim.uid, { granted: true });
      continue;
    }
    const admission = decide(claim, rooms, { running, maximum: input.maxParallelAgents });
    if (admission.granted) {
      running += Number(claim.isAgent);
      take(bestRoom(rooms, claim), claim);
    }
    admissions.set(claim.uid, admission);
  }
  return admissions;
}

function decide(claim: Claim, rooms: readonly Room[], agents: { running: number; maximum: number }): Admission {
  if (claim.isAgent && agents.running >= agents.maximum) return { granted: false, reason: "MaxParallelAgents", ...agents };
  const room = bestRoom(rooms, claim);
  if (!room) return { granted: false, reason: "NoNode" };
  if (claim.pinning === "Shared") {
    if (room.freeMilli >= claim.requestMilli) return { granted: true };
    return { granted: false, reason: "InsufficientCpu", wantsMilli: claim.requestMilli, freeMilli: Math.max(0, room.freeMilli) };
  }
  const freeCores = freeCoresOf(room);
  if (freeCores - room.keptCores >= claim.cores) return { granted: true };
  const keptFor = freeCores >= claim.cores ? room.keptFor : undefined;
  keepPlace(claim, rooms);
  return {
    granted: false,
    reason: "InsufficientExclusiveCpu",
    wantsCores: claim.cores,
    freeCores,
    totalCores: room.totalCores,
    ...(keptFor !== undefined && { keptFor }),
  };
}

/** Keeps the cores of the node where the claim is nearest to running, unless it could run on none. */
function keepPlace(claim: Claim, rooms: readonly Room[]): void {
  const hopeful = rooms.filter((room) => room.node.schedulable && room.reachableCores - room.keptCores >= claim.cores);
  const room = hopeful.reduce<Room | undefined>(
    (best, next) => (best && freeCoresOf(best) >= freeCoresOf(next) ? best : next),
    undefined,
  );
  if (!room) return;
  room.keptCores += claim.cores;
  room.keptFor ??= claim.name;
}

function roomOf(node: NodeCpus, pods: readonly PodCpus[]): Room {
  const here = pods.filter((pod) => pod.node === node.name);
  const others = here.filter((pod) => pod.claimUid === undefined);
  const totalCores = node.exclusivePoolCores ?? wholeCores(node.allocatableMilli);
  const poolLeft = (of: readonly PodCpus[]): number =>
    node.exclusivePoolCores === undefined
      ? Number.POSITIVE_INFINITY
      : node.exclusivePoolCores - sum(of, (pod) => pod.exclusiveCores);
  const milliLeft = (of: readonly PodCpus[]): number => node.allocatableMilli - sum(of, (pod) => pod.requestMilli);
  return {
    node,
    totalCores,
    freePoolCores: poolLeft(here),
    freeMilli: milliLeft(here),
    reachableCores: Math.max(0, Math.min(poolLeft(others), wholeCores(milliLeft(others)))),
    keptCores: 0,
    keptFor: undefined,
  };
}

/** The design's formula; never below 0, also on a node that is overcommitted. */
function freeCoresOf(room: Room): number {
  return Math.max(0, Math.min(room.freePoolCores, wholeCores(room.freeMilli)));
}

/** The node where the claim fits best: the one with most left of what it asks for; equal ones by name. */
function bestRoom(rooms: readonly Room[], claim: Claim): Room | undefined {
  const left = (room: Room): number => (claim.pinning === "Exclusive" ? freeCoresOf(room) - room.keptCores : room.freeMilli);
  const candidates = rooms.filter((room) => room.node.schedulable);
  return candidates.reduce<Room | undefined>((best, next) => (best && left(best) >= left(next) ? best : next), undefined);
}

function take(room: Room | undefined, claim: Claim): void {
  if (!room) return;
  room.freeMilli -= claim.pinning === "Exclusive" ? claim.cores * 1000 : claim.requestMilli;
  if (claim.pinning === "Exclusive") room.freePoolCores -= claim.cores;
}

function inOrder(a: Claim, b: Claim): number {
  return Number(b.holds) - Number(a.holds) || b.priority - a.priority || a.createdMs - b.createdMs || compareText(a.uid, b.uid);
}

const wholeCores = (milli: number): number => Math.floor(milli / 1000);
const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** The sentence for the condition `Admitted`. */
export function admissionMessage(admission: Admission & { granted: false }): string {
  switch (admission.reason) {
    case "InsufficientExclusiveCpu": {
      const { wantsCores, freeCores, totalCores, keptFor } = admission;
      const kept = keptFor === undefined ? "" : `; they are kept for ${keptFor}, which comes first`;
      return `wants ${wantsCores}, free ${freeCores} of ${totalCores}${kept}`;
    }
    case "InsufficientCpu":
      return `wants ${admission.wantsMilli}m of the shared cores, free ${admission.freeMilli}m`;
    case "MaxParallelAgents":
      return `${admission.running} agents run, at most ${admission.maximum} may (maxParallelAgents)`;
    case "NoNode":
      return "no node is ready to take a pod";
  }
}
