import { type Clock, CodedError, type Logger } from "@bellwether/service-kit";
import type { TradingCondition } from "@bellwether/trading";
import type { Account } from "../account/account.ts";
import type { RiskErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import type { BookOrder } from "../portfolio/book.ts";
import type { Signer } from "./signer.ts";

export interface DispatchContext {
  readonly signer: Signer;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failPoints: FailPoints;
  readonly trading: () => TradingCondition;
}

export interface CommittedOrder {
  readonly order: BookOrder;
  /** Committed with the order; used here and never again. */
  readonly nonce: string;
}

export type DispatchOutcome = "known" | "refused" | "unknown" | "held";

/**
 * Hands a committed order to its broker: once. Whatever goes wrong, nothing here tries again: an order that the broker does not know afterwards is voided
 * by the settlement, and ends by the broker's word only.
 *
 * The caller must have put the order into `account.inFlight` before it released the account, or the settlement would void it meanwhile.
 */
export async function dispatch(
  account: Account,
  { order, nonce }: CommittedOrder,
  context: DispatchContext,
): Promise<DispatchOutcome> {
  const { clientOrderId, intentId, reduceOnly } = order.order;
  const { signer, epoch, clock, log, failPoints } = context;
  try {
    // A halt may have come between the verdict and here; after it nothing new leaves.
    const { state } = context.trading();
    if (state === "Halted" || (state === "Reducing" && !reduceOnly)) return "held";
    const approval = signer.sign({ order: order.body, epoch, nonce, nowMs: clock.nowMs() });
    failPoints.pass("before-send");
    const outcome = await account.broker.submit(approval);
    failPoints.pass("after-send");
    if (outcome.kind === "refused" && outcome.code === "EPOCH_STALE")
      account.superseded(new CodedError<RiskErrorCode>("EPOCH_LOST", outcome.message));
    if (outcome.kind !== "known") log.warn({ intentId, clientOrderId, outcome }, "the broker did not take an approval");
    return outcome.kind;
  } finally {
    account.inFlight.delete(clientOrderId);
  }
}
