import type { FailPointName, FailPoints, StepName } from "../fail-points.ts";

/** The end of a process, thrown: no handler of the code under test knows it. */
class Crash extends Error {
  constructor(at: string) {
    super(`crashed at ${at}`);
    this.name = "Crash";
  }
}

/** A named point, its n-th pass, or the n-th step of any name. */
export type CrashPoint = FailPointName | number | { readonly name: FailPointName; readonly pass: number };

/**
 * Ends a broker inside the test's process, at the point it is given. Afterwards every step throws, so that the dead
 * process persists nothing more, whatever its code still tries.
 */
export class CrashSwitch implements FailPoints {
  readonly #at: CrashPoint | undefined;
  readonly #passes = new Map<string, number>();
  #passed = 0;
  #crashed = false;

  constructor(at?: CrashPoint) {
    this.#at = at;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** Ends it now. */
  kill(): void {
    this.#crashed = true;
  }

  pass(name: FailPointName | StepName): void {
    if (this.#crashed) throw new Crash(name);
    this.#passed += 1;
    this.#passes.set(name, (this.#passes.get(name) ?? 0) + 1);
    if (!this.#due(name)) return;
    this.#crashed = true;
    throw new Crash(name);
  }

  #due(name: string): boolean {
    const at = this.#at;
    if (typeof at !== "object") return at === name || at === this.#passed;
    return at.name === name && at.pass === this.#passes.get(name);
  }
}
