import { type Clock, CodedError, type Random, hasCode } from "@bellwether/service-kit";
import type { SimProcess } from "./sim-process.ts";

/** What becomes of one call between two services. */
export type CallFault = "none" | "request-lost" | "request-late" | "reply-lost" | "reset";

/** No answer came: nothing is known of what the other side did. */
export class NoAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NoAnswer";
  }
}

export interface Call<T> {
  readonly from: SimProcess;
  /** Who listens at the moment of arrival; undefined: nobody. */
  readonly to: () => SimProcess | undefined;
  readonly invoke: () => Promise<T>;
  readonly fault: CallFault;
  readonly timeoutMs: number;
}

/** The network between services: a few milliseconds each way, and the faults of a history. A process that dies breaks its connections. */
export class Network {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onBug: (error: unknown) => void;

  /** @param onBug told of what a service must not answer with: anything but its own codes */
  constructor(clock: Clock, random: Random, onBug: (error: unknown) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onBug = onBug;
  }

  /** @throws NoAnswer, or what the callee threw */
  call<T>({ from, to, invoke, fault, timeoutMs }: Call<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let answered = false;
      const answer = (settle: () => void): void => {
        if (answered || from.dead) return;
        answered = true;
        timeOut();
        settle();
      };
      const lost = (why: string): void => answer(() => reject(new NoAnswer(why)));
      const timeOut = from.clock.setTimeout(() => lost("timed out"), timeoutMs);
      if (fault === "request-lost") return;
      const delayMs = fault === "request-late" ? 300 + this.#random.next() * 6_000 : this.latencyMs();
      this.#clock.setTimeout(() => {
        const callee = to();
        if (!callee || callee.dead) return lost("connection refused");
        callee.onDeath(() => lost("connection reset"));
        invoke().then(
          (value) => this.#reply(callee, fault, () => answer(() => resolve(value))),
          (error: unknown) => {
            if (!hasCode(error) && !(error instanceof NoAnswer)) this.#onBug(error);
            this.#reply(callee, fault, () => answer(() => reject(asError(error))));
          },
        );
        if (fault === "reset") lost("connection reset");
      }, delayMs);
    });
  }

  latencyMs(): number {
    return 1 + this.#random.next() * 12;
  }

  #reply(callee: SimProcess, fault: CallFault, deliver: () => void): void {
    // What a dead process still computes reaches nobody.
    if (callee.dead || fault === "reply-lost") return;
    this.#clock.setTimeout(deliver, this.latencyMs());
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new CodedError("INVARIANT_BROKEN", String(thrown));
}
