import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterError } from "../errors.ts";
import { isAlive, type ProcessIdentity, processStartTime } from "../process-identity.ts";
import type { Component } from "./components.ts";
import type { SourceLayout } from "./layout.ts";

/** What is remembered of a started process: enough never to signal another one, and to see that it should be restarted. */
export interface ProcessRecord extends ProcessIdentity {
  readonly name: string;
  readonly fingerprint: string;
}

/** Hash over the command line and the files that are read only at start. */
export function fingerprint(component: Component, read: (file: string) => string): string {
  const hash = createHash("sha256").update(JSON.stringify([component.command, component.args]));
  for (const file of component.files) hash.update("\0").update(read(file));
  return hash.digest("hex").slice(0, 16);
}

/** What the next `up` does with one component. */
export type ProcessVerdict = "keep" | "restart" | "start";

export function processVerdict(record: ProcessRecord | undefined, wanted: string, alive: boolean): ProcessVerdict {
  if (!record || !alive) return "start";
  return record.fingerprint === wanted ? "keep" : "restart";
}

function recordFile(layout: SourceLayout, name: string): string {
  return path.join(layout.run, `${name}.json`);
}

function readRecord(file: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessRecord;
  } catch {
    return undefined;
  }
}

/** Records of all processes that were started and not stopped, dead ones included. */
export function processRecords(layout: SourceLayout): ProcessRecord[] {
  let names: string[];
  try {
    names = readdirSync(layout.run);
  } catch {
    return [];
  }
  return names.filter((name) => name.endsWith(".json")).flatMap((name) => readRecord(path.join(layout.run, name)) ?? []);
}

function start(layout: SourceLayout, component: Component): void {
  mkdirSync(layout.run, { recursive: true });
  mkdirSync(layout.logs, { recursive: true });
  const log = openSync(path.join(layout.logs, `${component.name}.log`), "a");
  // A session of its own: Ctrl-C at the terminal of `up` must not end the cluster.
  const child = spawn(component.command, component.args, { detached: true, stdio: ["ignore", log, log], cwd: layout.root });
  closeSync(log);
  child.on("error", () => undefined); // told by the missing pid below
  const { pid } = child;
  const startTime = pid === undefined ? undefined : processStartTime(pid);
  if (pid === undefined || startTime === undefined) {
    throw new ClusterError("PROCESS_DIED", `${component.name} could not be started: ${component.command}`, {
      context: { command: component.command },
    });
  }
  child.unref();
  const record: ProcessRecord = {
    name: component.name,
    pid,
    startTime,
    fingerprint: fingerprint(component, (file) => readFileSync(file, "utf8")),
  };
  const file = recordFile(layout, component.name);
  writeFileSync(`${file}.new`, JSON.stringify(record));
  renameSync(`${file}.new`, file);
}

/** Ends exactly the recorded process: TERM, then KILL after `graceMs`. A pid that now belongs to another process is left alone. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  for (const [signal, waitMs] of [
    ["SIGTERM", graceMs],
    ["SIGKILL", 10_000],
  ] as const) {
    if (!isAlive(identity)) return;
    try {
      process.kill(identity.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    const deadline = performance.now() + waitMs;
    while (isAlive(identity) && performance.now() < deadline) await sleep(20);
  }
}

export async function stopComponent(layout: SourceLayout, name: string, graceMs = 10_000): Promise<void> {
  const file = recordFile(layout, name);
  const record = readRecord(file);
  if (record) await endProcess(record, graceMs);
  rmSync(file, { force: true });
}

/** Starts a component that does not run, restarts one whose command line or files have changed, and leaves the others alone. */
export async function ensureRunning(
  layout: SourceLayout,
  component: Component,
  beforeStart: () => void = () => undefined,
): Promise<ProcessVerdict> {
  const record = readRecord(recordFile(layout, component.name));
  const wanted = fingerprint(component, (file) => readFileSync(file, "utf8"));
  const verdict = processVerdict(record, wanted, record !== undefined && isAlive(record));
  if (verdict === "keep") return verdict;
  if (verdict === "restart") await stopComponent(layout, component.name);
  beforeStart();
  start(layout, component);
  return verdict;
}

/** The last lines a component has written: what a person needs when it does not come up. */
function logTail(layout: SourceLayout, name: string, lines = 12): string {
  try {
    return readFileSync(path.join(layout.logs, `${name}.log`), "utf8")
      .trimEnd()
      .split("\n")
      .slice(-lines)
      .join("\n");
  } catch {
    return "(no log)";
  }
}

/**
 * Waits until `probe` holds.
 *
 * @throws ClusterError PROCESS_DIED as soon as the component's process is gone, NOT_READY after `timeoutMs`; both with the end of its log
 */
export async function waitUntilUp(
  layout: SourceLayout,
  name: string,
  wait: { probe: () => Promise<boolean>; timeoutMs: number },
): Promise<void> {
  const deadline = performance.now() + wait.timeoutMs;
  while (!(await wait.probe())) {
    const record = readRecord(recordFile(layout, name));
    const died = !record || !isAlive(record);
    if (died || performance.now() > deadline) {
      const what = died ? `${name} ended by itself` : `${name} is not ready after ${Math.round(wait.timeoutMs / 1000)} s`;
      const log = path.join(layout.logs, `${name}.log`);
      throw new ClusterError(died ? "PROCESS_DIED" : "NOT_READY", `${what}. The end of ${log}:\n${logTail(layout, name)}`, {
        context: { log },
      });
    }
    await sleep(100);
  }
}
