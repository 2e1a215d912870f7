import { existsSync, fsyncSync, openSync, closeSync } from "node:fs";
import { join } from "node:path";

/** The places a crash is tried at, in the order an order passes them; README.md draws them. */
export const failPointNames = [
  /** Approval verified, nothing recorded. */
  "before-about-to-send",
  /** Committed in Postgres, not yet in the send log. */
  "after-about-to-send",
  /** In the send log, too; no byte has left. */
  "before-venue-send",
  /** The venue has accepted durably; its answer has not arrived. */
  "after-venue-accept",
  /** The answer is here and not recorded. */
  "after-venue-reply",
  /** The venue has executed; the fill is not recorded. */
  "before-journal-fill",
  "after-journal-fill",
  "before-tombstone",
  "after-tombstone",
  /** All is recorded; the caller has not been told. */
  "before-reply",
] as const;

export type FailPointName = (typeof failPointNames)[number];
/** Unnamed steps, for generated histories: every transaction and every append passes some of them. */
export type StepName = "transaction-begins" | "transaction-commits" | "transaction-committed" | "append-begins" | "append-synced";

/** Given by constructor to whatever persists or sends; tests crash there, a kill test ends the process there, production does nothing. */
export interface FailPoints {
  pass(name: FailPointName | StepName): void;
}

export const noFailPoints: FailPoints = { pass: () => undefined };

export function isFailPointName(name: string): name is FailPointName {
  return (failPointNames as readonly string[]).includes(name);
}

export interface KillOptions {
  readonly name: FailPointName;
  /** Holds the marker `fail-point-<name>`, which makes the point fire once in the life of the volume. */
  readonly directory: string;
  /** Ends the process as SIGKILL does: no handler, no flush. */
  readonly kill: () => void;
}

/** Ends the process the first time `name` is passed. */
export function killingFailPoints({ name, directory, kill }: KillOptions): FailPoints {
  const marker = join(directory, `fail-point-${name}`);
  let armed = !existsSync(marker);
  return {
    pass(passed) {
      if (!armed || passed !== name) return;
      armed = false;
      const file = openSync(marker, "w");
      fsyncSync(file);
      closeSync(file);
      kill();
    },
  };
}
