import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";

/** The places a crash is tried at, in the order a decision passes them; docs/journal.md draws them. */
export const failPointNames = [
  /** Judged and written, not committed: nothing of it may be seen again. */
  "before-journal-commit",
  /** Committed, nothing signed: the approvals of this epoch never leave. */
  "after-journal-commit",
  /** Signed, no byte has left. */
  "before-send",
  /** The broker has answered; risk has not taken it in. */
  "after-send",
  /** Everything is done; the agent has not been told. */
  "before-reply",
] as const;
export type FailPointName = (typeof failPointNames)[number];

/** Unnamed steps, for generated histories: every write transaction passes all of them. */
export const stepNames = ["transaction-begins", "transaction-commits", "transaction-committed"] as const;
export type StepName = (typeof stepNames)[number];

/** Given by constructor to whatever persists or sends; tests crash there, a kill test ends the process there, production does nothing. */
export interface FailPoints {
  /** May throw (a simulated crash) or not return (a real one). */
  pass(name: FailPointName | StepName): void;
}

export const noFailPoints: FailPoints = { pass: () => undefined };

export function isFailPointName(name: string): name is FailPointName {
  return (failPointNames as readonly string[]).includes(name);
}

export interface KillOptions {
  readonly name: FailPointName;
  /** Holds the marker `fail-point-<name>`, which makes the point fire once in the life of the directory. */
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
