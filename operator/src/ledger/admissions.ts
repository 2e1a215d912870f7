/** The ledger over time: who asks, what was answered, and whom a change concerns. The decision itself is `admit`, which is pure. */
import { type Admission, type Claim, type NodeCpus, type PodCpus, admit } from "./cpu-ledger.ts";

export interface AdmissionsOptions {
  nodes(): readonly NodeCpus[];
  pods(): readonly PodCpus[];
  readonly maxParallelAgents: number;
  /** Claims whose answer has changed since they were told. */
  onChange(uids: readonly string[]): void;
}

export class Admissions {
  readonly #options: AdmissionsOptions;
  readonly #claims = new Map<string, Claim>();
  /** Objects that have not been looked at since the start: until all have asked or declined, no newcomer is let in. */
  #unseen: Set<string>;
  #decided: ReadonlyMap<string, Admission> | undefined;
  readonly #told = new Map<string, Admission>();

  constructor(options: AdmissionsOptions) {
    this.#options = options;
    this.#unseen = new Set();
  }

  /**
   * The objects there are at the start. Who runs must be known before anybody new is admitted, or a restart of the operator would give a
   * core, or a place among `maxParallelAgents`, to the first who asks.
   */
  begin(uids: Iterable<string>): void {
    this.#unseen = new Set(uids);
  }

  /** Marks an object as looked at, whatever came of it. */
  seen(uid: string): void {
    if (!this.#unseen.delete(uid) || this.#unseen.size > 0) return;
    this.changed();
  }

  /** Asks for a place, or confirms one; undefined while the operator does not know yet who holds what. */
  ask(asked: Claim): Admission | undefined {
    const known = this.#claims.get(asked.uid);
    const claim = { ...asked, holds: asked.holds || (known?.holds === true && asksForNoMore(asked, known)) };
    if (JSON.stringify(known) !== JSON.stringify(claim)) this.#put(claim);
    this.seen(claim.uid);
    if (this.#unseen.size > 0 && !claim.holds) return undefined;
    const admission = this.#decisions().get(claim.uid) ?? { granted: false, reason: "NoNode" };
    // From here on the place is taken, before its pod is made: others ask meanwhile.
    if (admission.granted && !claim.holds) this.#put({ ...claim, holds: true });
    this.#told.set(claim.uid, admission);
    this.#announce();
    return admission;
  }

  /** Gives a place back, or asks no more. */
  withdraw(uid: string): void {
    this.seen(uid);
    this.#told.delete(uid);
    if (this.#claims.delete(uid)) this.changed();
  }

  /** Withdraws what an object of several claims (`<uid>/<name>`) no longer asks for. */
  withdrawBelow(uid: string, wanted: readonly string[] = []): void {
    for (const claimUid of this.#claims.keys())
      if (claimUid.startsWith(`${uid}/`) && !wanted.includes(claimUid)) this.withdraw(claimUid);
  }

  /** Nodes or pods have changed. */
  changed(): void {
    this.#decided = undefined;
    if (this.#unseen.size === 0) this.#announce();
  }

  #put(claim: Claim): void {
    this.#claims.set(claim.uid, claim);
    this.#decided = undefined;
  }

  #announce(): void {
    const changed = [...this.#decisions()].filter(([uid, admission]) => !isSame(this.#told.get(uid), admission));
    if (changed.length === 0) return;
    for (const [uid, admission] of changed) this.#told.set(uid, admission);
    this.#options.onChange(changed.map(([uid]) => uid));
  }

  #decisions(): ReadonlyMap<string, Admission> {
    // The pod of a claim that must be judged anew (it wants more than it has) goes when it is refused: its cores count as free for it.
    const isCounted = ({ claimUid }: PodCpus): boolean => claimUid === undefined || this.#claims.get(claimUid)?.holds !== false;
    this.#decided ??= admit({
      nodes: this.#options.nodes(),
      pods: this.#options.pods().filter(isCounted),
      claims: [...this.#claims.values()],
      maxParallelAgents: this.#options.maxParallelAgents,
    });
    return this.#decided;
  }
}

/** All claims are compared at every question: those that have a place, which are most, without looking further. */
function isSame(told: Admission | undefined, admission: Admission): boolean {
  return told?.granted === true && admission.granted ? true : JSON.stringify(told) === JSON.stringify(admission);
}

/** A claim that has a place keeps it as long as it does not ask for more than it was given. */
function asksForNoMore(asked: Claim, held: Claim): boolean {
  if (asked.pinning !== held.pinning) return asked.pinning === "Shared";
  return asked.cores <= held.cores;
}
