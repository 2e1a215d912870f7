import process from "node:process";
import type { Logger } from "./logger.ts";

export type ShutdownStep = () => Promise<void> | void;

/** From start to exit of a service. */
export interface Lifetime {
  /** Aborts when the service is asked to stop. */
  readonly signal: AbortSignal;
  /** Steps run in reverse order of registration, each awaited. */
  onShutdown(step: ShutdownStep): void;
  /** Asks for an orderly stop from within; `exitCode` 0 unless given. */
  stop(exitCode?: number): void;
}

export interface RunOptions {
  readonly log: Logger;
  /** Longest time for all shutdown steps together, below the pod's grace period. */
  readonly graceMs?: number;
}

const defaultGraceMs = 8_000;

/**
 * Runs a service: `main` builds it and returns; the process lives until SIGTERM, SIGINT or `stop`, then takes the
 * shutdown steps and exits. An error nobody caught is logged and ends the process with 1: a crash is honest, limping is not.
 */
export function runService(main: (lifetime: Lifetime) => Promise<void>, { log, graceMs = defaultGraceMs }: RunOptions): void {
  const controller = new AbortController();
  const steps: ShutdownStep[] = [];
  let stopping = false;

  const stop = (exitCode = 0): void => {
    if (stopping) return;
    stopping = true;
    controller.abort(new Error("the service is stopping"));
    const deadline = setTimeout(() => {
      log.error({ graceMs }, "shutdown did not finish in time");
      process.exit(exitCode || 1);
    }, graceMs);
    deadline.unref();
    void takeSteps(steps, log).then((clean) => process.exit(exitCode || (clean ? 0 : 1)));
  };

  const crash = (origin: string, error: unknown): void => {
    log.fatal({ err: error }, `${origin}: the process ends`);
    process.exit(1);
  };

  process.on("SIGTERM", () => stop());
  process.on("SIGINT", () => stop());
  process.on("uncaughtException", (error) => crash("uncaught exception", error));
  process.on("unhandledRejection", (error) => crash("unhandled rejection", error));

  main({ signal: controller.signal, onShutdown: (step) => void steps.push(step), stop }).catch((error: unknown) => {
    if (!stopping) crash("start failed", error);
  });
}

async function takeSteps(steps: ShutdownStep[], log: Logger): Promise<boolean> {
  let clean = true;
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      clean = false;
      log.error({ err: error }, "a shutdown step failed");
    }
  }
  return clean;
}
