/** The operator as a cluster runs it: operator/src/main.ts in a process of its own, seen through /proc and its own metrics. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export interface OperatorSurroundings {
  readonly kubeconfig: string;
  /** Its configuration file, and the port of health and metrics that stands in it. */
  readonly configFile: string;
  readonly healthPort: number;
  readonly logFile: string;
}

const main = path.resolve(import.meta.dirname, "../../../operator/src/main.ts");
/** The operator's own grace period, and a bit. */
const stopDeadlineMs = 25_000;
const pollMs = 50;

export class OperatorProcess {
  readonly #child: ChildProcess;
  readonly #surroundings: OperatorSurroundings;
  readonly startedAtMs = performance.now();

  constructor(surroundings: OperatorSurroundings) {
    this.#surroundings = surroundings;
    const log = openSync(surroundings.logFile, "a");
    // Such as `--cpu-prof --cpu-prof-dir=DIR`: a missed goal is looked into with the benchmark itself.
    const flags = (process.env["OPERATOR_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
    this.#child = spawn(process.execPath, [...flags, main], {
      env: { ...process.env, KUBECONFIG: surroundings.kubeconfig, BELLWETHER_CONFIG: surroundings.configFile },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  get #pid(): number {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) return pid;
    throw new Error(`the operator is not running: ${readFileSync(this.#surroundings.logFile, "utf8").slice(-2_000)}`);
  }

  /** User and system time so far, milliseconds (in steps of 10). */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Resident set now and at its highest, MiB. */
  memory(): { readonly rssMiB: number; readonly peakMiB: number } {
    const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
    const mib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { rssMiB: mib("VmRSS"), peakMiB: mib("VmHWM") };
  }

  /**
   * Waits until at least `reconciles` Strategies have been reconciled since the start and none waits any more.
   * Returns milliseconds since the start of the process; accurate to `pollMs` and the time a scrape takes.
   */
  async settled(reconciles: number, limitMs: number): Promise<number> {
    const endMs = performance.now() + limitMs;
    while (performance.now() < endMs) {
      const { reconciled, waiting } = await this.#progress();
      if (reconciled >= reconciles && waiting === 0) return performance.now() - this.startedAtMs;
      await pause(pollMs);
    }
    throw new Error(`the operator has not settled within ${limitMs} ms`);
  }

  async #progress(): Promise<{ reconciled: number; waiting: number }> {
    const url = `http://127.0.0.1:${this.#surroundings.healthPort}/metrics`;
    // Refused until it listens; a process that has ended is told apart by its pid.
    const text = await fetch(url).then((reply) => reply.text()).catch(() => ""); // prettier-ignore
    if (text === "") return { reconciled: 0, waiting: this.#pid };
    const sum = (metric: string, label: string): number =>
      text
        .split("\n")
        .filter((line) => line.startsWith(`${metric}{`) && line.includes(label))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
    const waiting = sum("workqueue_depth", 'name="Strategy"') + sum("workqueue_unfinished_work_seconds", 'name="Strategy"');
    return { reconciled: sum("bellwether_reconcile_total", 'kind="Strategy"'), waiting };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), stopDeadlineMs);
    await exited;
    clearTimeout(kill);
  }
}
