import type { FailPointName, FailPoints, StepName } from "../fail-points.ts";

/** The end of a process, thrown: no handler of the code under test knows it. */
export class RiskCrash extends Error {
  constructor(at: string) {
    super(`risk crashed at ${at}`);
    this.name = "RiskCrash";
  }
}

/** Ends a risk inside the test's process at the n-th step of any name; afterwards every step throws, so that a dead process writes and sends nothing more. */
export class RiskCrashSwitch implements FailPoints {
  readonly #at: number | undefined;
  #passed = 0;
  #crashed = false;

  constructor(at?: number) {
    this.#at = at;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  kill(): void {
    this.#crashed = true;
  }

  pass(name: FailPointName | StepName): void {
    if (this.#crashed) throw new RiskCrash(name);
    this.#passed += 1;
    if (this.#at !== this.#passed) return;
    this.#crashed = true;
    throw new RiskCrash(name);
  }
}
