import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** Given by constructor to whatever persists or sends; tests crash there, a kill test ends the process there, production does nothing. */
export interface FailPoints<Name extends string> {
  /** May throw (a simulated crash) or not return (a real one). */
  pass(name: Name): void;
}

export const noFailPoints: FailPoints<string> = { pass: () => undefined };

export interface KillOptions<Name extends string> {
  readonly name: Name;
  /** Holds the marker `fail-point-<name>`, which makes the point fire once in the life of the directory. */
  readonly directory: string;
  /** Ends the process as SIGKILL does: no handler, no flush. */
  readonly kill: () => void;
}

/** Ends the process the first time `name` is passed. */
export function killingFailPoints<Name extends string>({ name, directory, kill }: KillOptions<Name>): FailPoints<string> {
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

/**
 * Ends this process as SIGKILL does. In a container it may be process 1, which the kernel keeps from killing itself: there it leaves by exit(2),
 * still without a handler of ours, and what was not synced is as lost.
 */
export function killOwnProcess(): void {
  process.kill(process.pid, "SIGKILL");
  (process as unknown as { reallyExit(code: number): void }).reallyExit(137);
}
