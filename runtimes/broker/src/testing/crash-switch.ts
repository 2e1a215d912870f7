import type { FailPointName, FailPoints, StepName } from "../fail-points.ts";

/** The end of a process, thrown: no handler of the code under test knows it. */
class Crash extends Error {
  constructor(at: string) {
    super(`crashed at ${at}`);
    this.name = "Crash";
  }
}

/**
 * Ends a broker inside the test's process: at a named point, or at the n-th step of any name. Afterwards every step throws, so that the dead
 * process persists nothing more, whatever its code still tries.
 */
export class CrashSwitch implements FailPoints {
  #at: FailPointName | number | undefined;
  #passed = 0;
  #crashed = false;

  constructor(at?: FailPointName | number) {
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
    if (this.#at !== name && this.#at !== this.#passed) return;
    this.#crashed = true;
    throw new Crash(name);
  }
}
