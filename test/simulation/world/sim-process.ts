import { type Cancel, type Clock, type FailPoints, sleepOn } from "@bellwether/service-kit";
import type { SimClock } from "./sim-clock.ts";

/** The end of a process, thrown: no handler of the code under test knows it. */
export class Crash extends Error {
  constructor(at: string) {
    super(`crashed at ${at}`);
    this.name = "Crash";
  }
}

export type ProcessKind = "agent" | "risk" | "broker";

/** Asked at every step a process takes; true ends it there. */
export type CrashPlan = (kind: ProcessKind, step: string) => boolean;

/**
 * A process of the simulation. Once dead it neither writes, sends nor wakes up again: its fail points throw, its timers stay silent, its connections are
 * gone. What its code still computes reaches nobody.
 */
export class SimProcess implements FailPoints<string> {
  readonly kind: ProcessKind;
  readonly clock: Clock;
  readonly #plan: CrashPlan;
  readonly #lifetime = new AbortController();
  readonly #onDeath: (() => void)[] = [];
  #dead = false;

  constructor(kind: ProcessKind, sim: SimClock, plan: CrashPlan) {
    this.kind = kind;
    this.#plan = plan;
    const clock = {
      nowMs: () => sim.nowMs(),
      setTimeout: (fn: () => void, delayMs: number): Cancel =>
        sim.setTimeout(() => {
          if (!this.#dead) fn();
        }, delayMs),
      sleep: (delayMs: number, signal?: AbortSignal) => sleepOn(clock, delayMs, signal),
    };
    this.clock = clock;
  }

  get dead(): boolean {
    return this.#dead;
  }

  get signal(): AbortSignal {
    return this.#lifetime.signal;
  }

  /** Told once; at once when it is dead already. */
  onDeath(listener: () => void): void {
    if (this.#dead) listener();
    else this.#onDeath.push(listener);
  }

  /** SIGKILL: nothing is handed back, nobody is told but those whose connections break. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    for (const listener of this.#onDeath.splice(0)) listener();
  }

  requireAlive = (): void => {
    if (this.#dead) throw new Crash("a step after its death");
  };

  pass(step: string): void {
    this.requireAlive();
    if (!this.#plan(this.kind, step)) return;
    this.kill();
    throw new Crash(`${this.kind}:${step}`);
  }
}

/** True for what a dead process throws. */
export function isCrash(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof Crash) return true;
  return false;
}
