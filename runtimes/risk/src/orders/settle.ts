import { type Clock, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import type { Account } from "../account/account.ts";
import type { BookOrder } from "../portfolio/book.ts";
import { type SettlementStep, type SettlementWorld, planSettlement } from "./plan-settlement.ts";

export interface SettleContext {
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly world: () => Omit<SettlementWorld, "inFlight">;
}

/** When an order may be asked about again: the wait doubles while the broker does not answer. */
interface Patience {
  nextMs: number;
  waitMs: number;
}

const firstWaitMs = 250;
const longestWaitMs = 10_000;
const parallelSteps = 8;

/** Brings every order of an account to its end: voids what never reached the broker, cancels what must go. Level-based; run it whenever something changed. */
export class Settlement {
  readonly #account: Account;
  readonly #context: SettleContext;
  readonly #patience = new Map<string, Patience>();

  constructor(account: Account, context: SettleContext) {
    this.#account = account;
    this.#context = context;
  }

  /** One pass. Returns how many orders are still owed a step. */
  async pass(): Promise<number> {
    const due = await this.#account.exclusive(async (book) => {
      book.forgetEnded();
      const world = { ...this.#context.world(), inFlight: this.#account.inFlight };
      return book.orders().flatMap((order) => {
        const step = planSettlement(order, world);
        return step.step === "wait" ? [] : [{ order, step }];
      });
    });
    await this.#account.storeEnds();
    this.#forgetPatience(due.map(({ order }) => order.order.clientOrderId));
    const nowMs = this.#context.clock.nowMs();
    const ready = due.filter(({ order }) => (this.#patience.get(order.order.clientOrderId)?.nextMs ?? 0) <= nowMs);
    for (let index = 0; index < ready.length; index += parallelSteps) {
      await Promise.all(ready.slice(index, index + parallelSteps).map(({ order, step }) => this.#take(order, step)));
    }
    return due.length;
  }

  async #take(order: BookOrder, step: Exclude<SettlementStep, { step: "wait" }>): Promise<void> {
    const { clientOrderId, intentId } = order.order;
    const { epoch, log } = this.#context;
    try {
      if (step.step === "void") {
        const { state } = await this.#account.broker.voidOrder(clientOrderId, { order: order.body, epoch });
        log.info({ intentId, clientOrderId, state }, "asked the broker to void an order that it had not acknowledged");
        // Answered before, and its row has not been seen since: it is older than what the cursor has passed (see below).
        if (this.#patience.has(clientOrderId)) this.#account.foldAgain();
      } else {
        await this.#account.broker.cancel(clientOrderId, step.legs);
      }
    } catch (error) {
      if (hasCode(error) && error.context["code"] === "EPOCH_STALE") this.#account.superseded(error);
      // The journal came back from an older copy and the bar was decided again: the broker's row of this id is older than what the cursor has passed.
      if (hasCode(error) && error.context["code"] === "CLIENT_ORDER_ID_REUSED") this.#account.foldAgain();
      log.warn({ err: messageOf(error), intentId, clientOrderId, step }, "an order could not be settled yet");
    }
    // Also after success: until the broker's row has been read, asking again at once would gain nothing.
    const waitMs = this.#patience.get(clientOrderId)?.waitMs ?? firstWaitMs;
    this.#patience.set(clientOrderId, {
      nextMs: this.#context.clock.nowMs() + waitMs,
      waitMs: Math.min(waitMs * 2, longestWaitMs),
    });
  }

  #forgetPatience(due: readonly string[]): void {
    const kept = new Set(due);
    for (const id of this.#patience.keys()) if (!kept.has(id)) this.#patience.delete(id);
  }
}
