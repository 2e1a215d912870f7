import type { Clock } from "@bellwether/service-kit/clock";
import type { Dependency } from "@bellwether/service-kit/check";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { Logger } from "@bellwether/service-kit/logger";
import type { DecisionReply, DecisionRequest } from "@bellwether/trading/wire";
import type { Backoff } from "./backoff.ts";
import { type RiskPort, refusalCode } from "./risk-port.ts";

export type StoreOutcome =
  /** `withOrders` false: the orders had become too old, only state and cursor were stored. */
  | { readonly stored: true; readonly reply: DecisionReply; readonly withOrders: boolean }
  /** The cursor is elsewhere: what risk has is the truth, and this decision never was. */
  | { readonly stored: false; readonly reason: string };

export interface DecisionStoreOptions {
  readonly risk: RiskPort;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Dependency;
  readonly backoff: () => Backoff;
  /** Latest market time known. */
  readonly marketTime: () => number;
}

/** Refusals after which only risk's own record counts. */
const settledElsewhere: ReadonlySet<string> = new Set(["ALREADY_DECIDED", "RUN_MISMATCH"]);

/**
 * Hands a decision to risk until it is stored or refused. A lost answer is asked for again with the same bytes: risk answers
 * with what it stored. When the intents' time has passed meanwhile, the decision is recorded without orders: an order that
 * was right a bar ago is not.
 */
export class DecisionStore {
  readonly #options: DecisionStoreOptions;

  constructor(options: DecisionStoreOptions) {
    this.#options = options;
  }

  /**
   * @param validForMs wall time after which the intents are too old even if no newer bar has been seen
   * @throws only the signal's reason
   */
  async store(decision: DecisionRequest, validForMs: number, signal: AbortSignal): Promise<StoreOutcome> {
    const { risk, clock, log, health } = this.#options;
    const backoff = this.#options.backoff();
    const untilMs = clock.nowMs() + validForMs;
    let body = decision;
    for (;;) {
      try {
        const reply = await risk.decide(body, signal);
        health.up();
        return { stored: true, reply, withOrders: body === decision };
      } catch (error) {
        signal.throwIfAborted();
        const code = refusalCode(error);
        if (code !== undefined && settledElsewhere.has(code)) return { stored: false, reason: messageOf(error) };
        health.down(messageOf(error));
        log.warn({ err: error, decisionTime: decision.decisionTime }, "the decision is not stored yet");
        // Orders that risk cannot even read will not become readable; the cursor moves on without them.
        if (code === "INVALID_BODY" || this.#isTooOld(decision, untilMs)) body = withoutOrders(decision);
      }
      await backoff.wait(signal);
    }
  }

  #isTooOld({ intents }: DecisionRequest, untilMs: number): boolean {
    const { clock, marketTime } = this.#options;
    const validUntil = Math.min(...intents.map((intent) => intent.validUntil));
    return clock.nowMs() >= untilMs || marketTime() >= validUntil;
  }
}

function withoutOrders(decision: DecisionRequest): DecisionRequest {
  return { ...decision, intents: [], cancels: [], replaces: [] };
}
