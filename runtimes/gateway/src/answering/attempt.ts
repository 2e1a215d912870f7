import type { Clock } from "@bellwether/service-kit";
import type { ChatCall, Completion, Piece, Usage } from "../backends/backend.ts";
import { AttemptSignal } from "../backends/deadlines.ts";
import { BackendFailure, failureOfConnection } from "../backends/failure.ts";
import type { ChatRequest } from "../server/chat-request.ts";
import { type Bounds, type Charge, type Hold, chargeFor, chargeForFailure, endHold } from "./metering.ts";
import type { RouteModel } from "./route-model.ts";

export interface AttemptOptions {
  readonly model: RouteModel;
  readonly request: ChatRequest;
  readonly bounds: Bounds;
  readonly hold: Hold;
  readonly clock: Clock;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Aborts when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
  /** Called once, when it is known what the attempt costs. */
  readonly onCharged: (charge: Charge, usage: Usage | undefined) => void;
}

/** How long a hosted answer is still read after the caller has hung up: its usage comes last, and is what will be billed. */
const drainMs = 30_000;

/** One attempt at one model, from the call to its bill. Whatever way it ends, the hold is ended once. */
export class Attempt {
  readonly #options: AttemptOptions;
  readonly #deadline: AttemptSignal;
  #usage: Usage | undefined;
  #charged = false;
  #cancelDrain = (): void => undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#deadline = new AttemptSignal(options.clock);
    const { gone } = options;
    if (gone.aborted) this.#onGone();
    else gone.addEventListener("abort", this.#onGone, { once: true });
  }

  /** @throws BackendFailure */
  async complete(): Promise<Completion> {
    const { model, firstByteTimeoutMs } = this.#options;
    this.#deadline.expectWithin(firstByteTimeoutMs, false);
    try {
      const completion = await model.backend.complete(this.#call());
      this.#usage = completion.usage;
      this.#charge(this.#chargeForUsage());
      return completion;
    } catch (error) {
      throw this.#failed(error, false);
    } finally {
      this.#end();
    }
  }

  /**
   * Waits for the first piece: until then another model may be asked. The pieces must be read to their end.
   *
   * @throws BackendFailure
   */
  async stream(): Promise<AsyncIterable<Piece>> {
    const { model, firstByteTimeoutMs } = this.#options;
    this.#deadline.expectWithin(firstByteTimeoutMs, false);
    const pieces = model.backend.stream(this.#call())[Symbol.asyncIterator]();
    try {
      const first = await pieces.next();
      if (first.done === true)
        throw failureOfConnection(new Error("the stream is empty"), { signal: this.#deadline.signal, begun: false });
      this.#note(first.value);
      return this.#rest(first.value, pieces);
    } catch (error) {
      const failure = this.#failed(error, false);
      this.#end();
      throw failure;
    }
  }

  async *#rest(first: Piece, pieces: AsyncIterator<Piece>): AsyncGenerator<Piece> {
    const { idleTimeoutMs } = this.#options;
    try {
      yield first;
      for (;;) {
        this.#deadline.expectWithin(idleTimeoutMs, true);
        const next = await pieces.next();
        if (next.done === true) break;
        this.#note(next.value);
        yield next.value;
      }
      this.#charge(this.#chargeForUsage());
    } catch (error) {
      const failure = this.#failed(error, true);
      void this.#options.model.breaker.fault(failure);
      throw failure;
    } finally {
      this.#end();
    }
  }

  #call(): ChatCall {
    const { request, bounds } = this.#options;
    return { request, maxOutputTokens: bounds.outputTokens, signal: this.#deadline.signal };
  }

  #note({ usage }: Piece): void {
    if (usage) this.#usage = usage;
  }

  #failed(error: unknown, begun: boolean): BackendFailure {
    const failure =
      error instanceof BackendFailure ? error : failureOfConnection(error, { signal: this.#deadline.signal, begun });
    this.#charge(chargeForFailure(failure, this.#options));
    return failure;
  }

  #chargeForUsage(): Charge {
    return chargeFor(this.#usage, this.#options);
  }

  #charge(charge: Charge): void {
    if (this.#charged) return;
    this.#charged = true;
    endHold(this.#options.hold, charge);
    this.#options.onCharged(charge, this.#usage);
  }

  #end(): void {
    this.#deadline.done();
    this.#cancelDrain();
    this.#options.gone.removeEventListener("abort", this.#onGone);
    // A generator that was left early: nobody will know what it used.
    if (!this.#charged) this.#charge(chargeForFailure({ mayBeBilled: true }, this.#options));
  }

  readonly #onGone = (): void => {
    const { model, clock } = this.#options;
    const hungUp = (): void =>
      this.#deadline.abort(new BackendFailure("CALLER_GONE", "the caller hung up", { mayBeBilled: true }));
    // A local model costs cores, and not money: they are given back at once.
    if (model.local) hungUp();
    else this.#cancelDrain = clock.setTimeout(hungUp, drainMs);
  };
}
