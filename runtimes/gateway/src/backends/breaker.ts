import { type Clock, CodedError } from "@bellwether/service-kit";
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  type IBreaker,
  SamplingBreaker,
  circuitBreaker,
  handleWhen,
} from "cockatiel";
import type { GatewayErrorCode } from "../errors.ts";
import { BackendFailure, breakerWeight } from "./failure.ts";

export interface BreakerOptions {
  /** Part of the requests in the window that must fail, 0 to 1. */
  readonly failureRatio: number;
  /** Fewer requests than this in the window trip nothing. */
  readonly minimumRequests: number;
  readonly windowMs: number;
  readonly openForMs: number;
}

export type BreakerState = "Closed" | "Open" | "HalfOpen";

/** Opens by the ratio in a window, or at once on a failure that asking again will not mend. */
class SamplingOrTripped implements IBreaker {
  readonly #sampling: SamplingBreaker;
  #lastWeight: ReturnType<typeof breakerWeight> = "ignore";

  constructor({ failureRatio, minimumRequests, windowMs }: BreakerOptions) {
    // cockatiel wants a ratio below 1, and opens above it: at 1 everything must have failed.
    const threshold = Math.min(failureRatio, 1) - Number.EPSILON;
    this.#sampling = new SamplingBreaker({ threshold, duration: windowMs, minimumRps: (minimumRequests * 1_000) / windowMs });
  }

  get state(): unknown {
    return this.#sampling.state;
  }

  set state(value: unknown) {
    this.#sampling.state = value;
  }

  weigh(weight: ReturnType<typeof breakerWeight>): void {
    this.#lastWeight = weight;
  }

  success(state: CircuitState): void {
    this.#sampling.success(state);
  }

  failure(state: CircuitState): boolean {
    return this.#sampling.failure(state) || this.#lastWeight === "trip";
  }
}

/** One model's breaker. What it lets through it counts; while it is open it answers at once. */
export class ModelBreaker {
  readonly #policy: CircuitBreakerPolicy;
  readonly #model: string;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #openForMs: number;
  #trial = false;
  #openUntilMs = 0;

  constructor(model: string, { clock, ...options }: BreakerOptions & { clock: Pick<Clock, "nowMs"> }) {
    this.#model = model;
    this.#clock = clock;
    this.#openForMs = options.openForMs;
    const breaker = new SamplingOrTripped(options);
    const counts = handleWhen((error) => {
      // A full queue or an empty purse says nothing about the model.
      if (!(error instanceof BackendFailure)) return false;
      breaker.weigh(breakerWeight(error));
      return breakerWeight(error) !== "ignore";
    });
    this.#policy = circuitBreaker(counts, { breaker, halfOpenAfter: options.openForMs });
    this.#policy.onBreak(() => (this.#openUntilMs = this.#clock.nowMs() + this.#openForMs));
  }

  get state(): BreakerState {
    if (this.#policy.state === CircuitState.Closed) return "Closed";
    // cockatiel calls itself open until the next request; who chooses models by this would never send one.
    const waits = this.#policy.state === CircuitState.Open && this.#clock.nowMs() < this.#openUntilMs;
    return waits || this.#trial ? "Open" : "HalfOpen";
  }

  /** What the last counted failure was: the condition that names the Secret is made of it. */
  get lastFailure(): BackendFailure | undefined {
    const failure = this.#policy.lastFailure;
    return failure !== undefined && "error" in failure && failure.error instanceof BackendFailure ? failure.error : undefined;
  }

  /**
   * Runs `work` unless the breaker is open, or half open with its one trial under way: nobody waits for another one's trial.
   *
   * @throws CodedError BREAKER_OPEN, or what `work` throws
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#trial) throw this.#open();
    this.#trial = this.#policy.state !== CircuitState.Closed;
    try {
      return await this.#policy.execute(work);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.#open() : error;
    } finally {
      this.#trial = false;
    }
  }

  /** A failure after the work had been counted as a success: an answer that broke off. */
  async fault(failure: BackendFailure): Promise<void> {
    await this.#policy.execute(() => Promise.reject(failure)).catch(() => undefined);
  }

  #open(): CodedError<GatewayErrorCode> {
    const last = this.lastFailure;
    const why = last === undefined ? "" : `: ${last.message}`;
    return new CodedError<GatewayErrorCode>("BREAKER_OPEN", `${this.#model} is left alone for a while${why}`, {
      context: { model: this.#model, ...(last && { because: last.code }) },
    });
  }
}
