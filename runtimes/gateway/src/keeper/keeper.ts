import { type Check, type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import type { KeeperStatus } from "../config.ts";
import type { LocalOllama } from "./local-ollama.ts";
import type { Runner } from "./runner.ts";

export interface KeeperOptions {
  readonly ollama: LocalOllama;
  /** The runner as it is now. */
  runner(): Runner | undefined;
  readonly lookMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const answersWithinMs = 60_000;
const firstRetryMs = 1_000;
const lastRetryMs = 30_000;
const startPollMs = 100;

/**
 *   Starting ── Ollama answers ──► Loading ── the model is on the volume ──► Warming ── it has computed ──► Ready
 *                                     └─ failed, tried again after a pause ◄──┘   ▲                        │ unloaded, or its runner died
 *                                                                                 └────────────────────────┘
 */
export class Keeper {
  readonly #options: KeeperOptions;
  #status: KeeperStatus = { phase: "Starting", message: "Ollama is starting" };
  #answeredMs: number;
  #tokensPerSecond: string | undefined;
  /** A large model is downloaded and loaded for minutes, in which nobody looks whether Ollama answers. */
  #isBringing = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#answeredMs = options.clock.nowMs();
  }

  /** What is true now: the runner is looked at anew. */
  status(): KeeperStatus {
    const runner = this.#options.runner();
    return {
      ...this.#status,
      ...(runner && { threads: runner.threads, cpus: runner.cpus }),
      ...(this.#tokensPerSecond !== undefined && { tokensPerSecond: this.#tokensPerSecond }),
    };
  }

  ready(): Check {
    const { phase, message } = this.#status;
    return { name: "model", ok: phase === "Ready", message, sinceMs: this.#answeredMs };
  }

  /** Ollama that does not answer for a minute is begun anew; a model that cannot be had is no reason for it. */
  live(): Check {
    const silentMs = this.#options.clock.nowMs() - this.#answeredMs;
    const ok = this.#isBringing || silentMs < answersWithinMs;
    return { name: "ollama", ok, message: ok ? "answers" : "does not answer", sinceMs: this.#answeredMs };
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, lookMs } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#answering(signal);
        if (signal.aborted) return;
        this.#isBringing = true;
        await this.#bring();
        this.#isBringing = false;
        failures = 0;
        while (await this.#holds()) {
          await clock.sleep(lookMs, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#isBringing = false;
        this.#failed(error);
        const waitMs = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures++, 10));
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  async #answering(signal: AbortSignal): Promise<void> {
    const { ollama, clock } = this.#options;
    while (!signal.aborted) {
      try {
        await ollama.version();
        this.#answeredMs = clock.nowMs();
        return;
      } catch {
        // It takes a moment to start; `live` says when the moment is over.
        await clock.sleep(startPollMs, signal);
      }
    }
  }

  async #bring(): Promise<void> {
    const { ollama, clock } = this.#options;
    if (!(await ollama.hasModel())) {
      this.#status = { phase: "Loading", message: "the model is being brought onto the volume" };
      await ollama.fetch((progress) => {
        this.#answeredMs = clock.nowMs();
        this.#status = { phase: "Loading", message: "the model is being downloaded", progress };
      });
    }
    this.#status = { phase: "Warming", message: "the model is being loaded into memory" };
    await ollama.warm();
    // The first answer has the time in it that loading takes.
    const measure = await ollama.warm();
    this.#tokensPerSecond = measure?.tokensPerSecond.toFixed(1);
    this.#answeredMs = clock.nowMs();
    this.#status = { phase: "Ready", message: "the model is loaded and answers" };
  }

  /** False when the model has to be loaded again. */
  async #holds(): Promise<boolean> {
    const { ollama, clock, log } = this.#options;
    const isLoaded = await ollama.isLoaded();
    this.#answeredMs = clock.nowMs();
    if (!isLoaded) log.warn("the model is no longer loaded: it is loaded again");
    return isLoaded;
  }

  #failed(error: unknown): void {
    const message = messageOf(error).slice(0, 600);
    this.#options.log.warn({ err: error }, "the model cannot be had yet");
    this.#status = { phase: "Failed", message };
  }
}
