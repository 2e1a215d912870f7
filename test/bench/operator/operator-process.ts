/** An operator under test: a process, its CPU time and its memory as Linux counts them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";

export interface OperatorProgram {
  readonly name: string;
  /** Module beside this file. */
  readonly module: string;
}

export class OperatorProcess {
  readonly #child: ChildProcess;

  constructor(program: OperatorProgram, surroundings: { kubeconfig: string; namespace: string; directory: string }) {
    const log = openSync(path.join(surroundings.directory, `${program.name}.log`), "a");
    this.#child = spawn(process.execPath, [path.join(import.meta.dirname, program.module)], {
      env: { ...process.env, KUBECONFIG: surroundings.kubeconfig, WATCH_NAMESPACE: surroundings.namespace },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  get #pid(): number {
    if (this.#child.pid === undefined || this.#child.exitCode !== null) throw new Error("the operator under test is not running");
    return this.#child.pid;
  }

  /** User and system time so far, milliseconds (in steps of 10). */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Resident set, MiB. */
  rssMiB(): number {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#pid}/status`, "utf8"))?.[1];
    return Number(kib) / 1024;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(kill);
  }
}
