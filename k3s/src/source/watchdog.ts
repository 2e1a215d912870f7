/** What the watchdog of the source cluster does in one round: starts again what has died, and keeps logs from filling the disk. */
import { copyFileSync, readdirSync, statSync, truncateSync } from "node:fs";
import path from "node:path";
import { isAlive } from "../process-identity.ts";
import type { Component } from "./components.ts";
import type { SourceLayout } from "./layout.ts";
import { type ProcessRecord, ensureRunning, processRecords } from "./supervisor.ts";

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;
/** A component that has lived this long has got over its earlier deaths. */
const settledMs = 300_000;
/** A log file beyond this becomes `.1`; each component may use twice as much. */
const largestLogBytes = 32 * 1024 * 1024;

export interface Deaths {
  readonly count: number;
  readonly lastMs: number;
}

/** Pause before a component is started again: none after the first death, then doubling from a second to a minute. */
export function pauseMs(deaths: Deaths | undefined, nowMs: number): number {
  if (!deaths || nowMs - deaths.lastMs >= settledMs) return 0;
  const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(20, deaths.count - 1));
  return Math.max(0, deaths.lastMs + pause - nowMs);
}

export function afterDeath(deaths: Deaths | undefined, nowMs: number): Deaths {
  return { count: !deaths || nowMs - deaths.lastMs >= settledMs ? 1 : deaths.count + 1, lastMs: nowMs };
}

/** Those that should run and do not: a component that was stopped on purpose has no record any more. */
export function deadComponents(
  components: readonly Component[],
  records: readonly ProcessRecord[],
  lives: (record: ProcessRecord) => boolean,
): Component[] {
  const dead = new Set(records.filter((record) => !lives(record)).map(({ name }) => name));
  return components.filter(({ name }) => dead.has(name));
}

export class Watchdog {
  readonly #layout: SourceLayout;
  readonly #components: readonly Component[];
  readonly #report: (line: string) => void;
  readonly #deaths = new Map<string, Deaths>();

  constructor(layout: SourceLayout, components: readonly Component[], report: (line: string) => void) {
    this.#layout = layout;
    this.#components = components;
    this.#report = report;
  }

  async round(nowMs: number): Promise<void> {
    for (const component of deadComponents(this.#components, processRecords(this.#layout), isAlive)) {
      const known = this.#deaths.get(component.name);
      if (pauseMs(known, nowMs) > 0) continue;
      this.#deaths.set(component.name, afterDeath(known, nowMs));
      this.#report(`${component.name} has ended by itself and is started again`);
      await ensureRunning(this.#layout, component);
    }
    rotateLogs(this.#layout.logs, largestLogBytes);
  }
}

/** Copied and cut, not renamed: the processes append to the file they have open. */
export function rotateLogs(directory: string, largestBytes: number): void {
  for (const name of readdirSync(directory).filter((each) => each.endsWith(".log"))) {
    const file = path.join(directory, name);
    if (statSync(file).size <= largestBytes) continue;
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
  }
}
