import { type Cancel, type Clock, CodedError } from "@bellwether/service-kit";
import type { GatewayErrorCode } from "../errors.ts";
import { FairQueue } from "../fair-queue/fair-queue.ts";
import type { Turn, Turns } from "./model-calls.ts";
import type { RouteModel } from "./route-model.ts";

export interface QueueLimits {
  readonly maxQueued: number;
  readonly queueDeadlineMs: number;
  readonly concurrentPerStrategy: number;
}

interface Waiter {
  resolve(): void;
  reject(error: CodedError): void;
}

/** A hosted model has as much room as its provider gives it; the strategies' own limit holds there, too. */
const hostedSlots = 10_000;

/** A fair queue in front of each model, driven by the clock and by those who come and go. */
export class ModelQueues implements Turns {
  readonly #lines = new Map<string, Line>();

  constructor(models: readonly RouteModel[], options: { limits: QueueLimits; clock: Clock }) {
    for (const { name, config } of models) {
      this.#lines.set(name, new Line({ ...options, model: name, slots: config.ollama?.parallel ?? hostedSlots }));
    }
  }

  async take({ name }: RouteModel, turn: Turn): Promise<() => void> {
    const line = this.#lines.get(name);
    if (!line) throw new Error(`no queue stands in front of ${name}`);
    return line.take(turn);
  }

  /** Requests that wait in front of a model. */
  waiting(model: string): number {
    return this.#lines.get(model)?.waiting ?? 0;
  }
}

interface LineOptions {
  readonly model: string;
  readonly slots: number;
  readonly limits: QueueLimits;
  readonly clock: Clock;
}

class Line {
  readonly #options: LineOptions;
  readonly #queue: FairQueue;
  readonly #waiters = new Map<string, Waiter>();
  #cancelTimer: Cancel = () => undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    const { maxQueued, concurrentPerStrategy } = options.limits;
    this.#queue = new FairQueue({ slots: options.slots, maxQueued, concurrentPerStrategy });
  }

  get waiting(): number {
    return this.#queue.figures().waiting;
  }

  async take({ id, tenant, weight, cost, signal }: Turn): Promise<() => void> {
    const { clock, limits, model } = this.#options;
    const nowMs = clock.nowMs();
    const deadlineMs = nowMs + limits.queueDeadlineMs;
    const entered = this.#queue.enter({ id, strategy: tenant, weight, cost, deadlineMs }, nowMs);
    if (!entered.accepted) throw full(model, limits.maxQueued);
    if (entered.displaced !== undefined) this.#refuse(entered.displaced, full(model, limits.maxQueued));
    const turn = new Promise<void>((resolve, reject) => this.#waiters.set(id, { resolve, reject }));
    const onGone = (): void => this.#refuse(id, gone());
    signal.addEventListener("abort", onGone, { once: true });
    this.#advance();
    try {
      if (signal.aborted) onGone();
      await turn;
    } finally {
      signal.removeEventListener("abort", onGone);
    }
    return () => {
      this.#queue.leave(id);
      this.#advance();
    };
  }

  #refuse(id: string, error: CodedError): void {
    const waiter = this.#waiters.get(id);
    if (!waiter) return;
    this.#waiters.delete(id);
    this.#queue.leave(id);
    waiter.reject(error);
    this.#advance();
  }

  #advance(): void {
    const { clock, limits, model } = this.#options;
    const { started, expired } = this.#queue.start(clock.nowMs());
    for (const { id } of started) {
      this.#waiters.get(id)?.resolve();
      this.#waiters.delete(id);
    }
    for (const id of expired) {
      this.#waiters.get(id)?.reject(late(model, limits.queueDeadlineMs));
      this.#waiters.delete(id);
    }
    this.#cancelTimer();
    const nextMs = this.#queue.nextDeadlineMs();
    if (nextMs !== undefined) this.#cancelTimer = clock.setTimeout(() => this.#advance(), Math.max(1, nextMs - clock.nowMs()));
  }
}

function full(model: string, maximum: number): CodedError<GatewayErrorCode> {
  return new CodedError("QUEUE_FULL", `${maximum} requests wait for ${model} already`, { context: { model, maximum } });
}

function late(model: string, waitedMs: number): CodedError<GatewayErrorCode> {
  return new CodedError("QUEUE_DEADLINE", `${model} had no turn for this request within ${waitedMs} ms`, {
    context: { model, waitedMs },
  });
}

function gone(): CodedError<GatewayErrorCode> {
  return new CodedError("CALLER_GONE", "the caller hung up");
}
