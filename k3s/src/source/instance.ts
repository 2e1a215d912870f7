import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { ClusterError } from "../errors.ts";
import { isAlive } from "../process-identity.ts";
import type { SourceLayout } from "./layout.ts";
import type { MachineBefore } from "./machine.ts";
import { processRecords } from "./supervisor.ts";

const recordSchema = z.object({
  version: z.literal(1),
  /** Kernel boot id: another one means that every process is gone, whatever the pids say. */
  bootId: z.string(),
  startedAt: z.string(),
  before: z.object({
    settings: z.record(z.string(), z.string()),
    paths: z.array(z.string()),
    links: z.array(z.string()),
    cgroups: z.array(z.string()),
    mounts: z.array(z.string()),
    iptables: z.string(),
    ip6tables: z.string(),
  }),
});

/** The record of the machine's one instance: written before the first change, removed with the last one. */
export type InstanceRecord = z.infer<typeof recordSchema>;

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/**
 * The record, or undefined when there is no instance.
 *
 * @throws ClusterError STATE_UNREADABLE when there is one that cannot be understood: removing by guess could hit somebody else's things
 */
export function readInstance(layout: SourceLayout): InstanceRecord | undefined {
  if (!existsSync(layout.record)) return undefined;
  try {
    return recordSchema.parse(JSON.parse(readFileSync(layout.record, "utf8")));
  } catch (cause) {
    throw new ClusterError(
      "STATE_UNREADABLE",
      `${layout.record} cannot be read (written by another version?): ${(cause as Error).message}`,
      { cause },
    );
  }
}

export function writeInstance(layout: SourceLayout, before: MachineBefore, startedAt: string): InstanceRecord {
  const record: InstanceRecord = {
    version: 1,
    bootId: bootId(),
    startedAt,
    before: structuredClone(before) as InstanceRecord["before"],
  };
  mkdirSync(layout.root, { recursive: true });
  writeFileSync(`${layout.record}.new`, JSON.stringify(record, null, 2));
  renameSync(`${layout.record}.new`, layout.record);
  return record;
}

export type InstanceState = "none" | "running" | "stale";

/**
 * `stale`: there is a record and no process of it lives (hard stop, reboot): only mounts, shims, links and rules may be left.
 * One with some processes alive counts as running; `up` starts what is missing.
 */
export function judgeInstance(facts: {
  recorded: boolean;
  sameBoot: boolean;
  processesRecorded: number;
  processesAlive: number;
}): InstanceState {
  if (!facts.recorded) return "none";
  if (!facts.sameBoot) return "stale";
  return facts.processesRecorded > 0 && facts.processesAlive === 0 ? "stale" : "running";
}

export function instanceState(layout: SourceLayout): { state: InstanceState; record: InstanceRecord | undefined } {
  const record = readInstance(layout);
  const processes = processRecords(layout);
  const state = judgeInstance({
    recorded: record !== undefined,
    sameBoot: record?.bootId === bootId(),
    processesRecorded: processes.length,
    processesAlive: processes.filter(isAlive).length,
  });
  return { state, record };
}
