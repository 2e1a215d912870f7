import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

/** A server of a test's own that is killed and started again. */
export class RestartableProcess<Options = void> {
  readonly #launch: (options: Options) => ChildProcess;
  readonly #answers: () => Promise<boolean>;
  #child: ChildProcess | undefined;

  constructor(launch: (options: Options) => ChildProcess, answers: () => Promise<boolean>) {
    this.#launch = launch;
    this.#answers = answers;
  }

  /** Resolves when it answers. @throws when it ends before */
  async start(options: Options): Promise<void> {
    const child = this.#launch(options);
    this.#child = child;
    let failed: Error | undefined;
    child.once("error", (error) => (failed = error));
    while (!(await this.#answers())) {
      if (failed) throw failed;
      if (hasEnded(child))
        throw new Error(`${child.spawnfile} ended with ${child.exitCode ?? child.signalCode} before it answered`);
      await pause(20);
    }
  }

  /** Kills it. May be called twice. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || hasEnded(child)) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
