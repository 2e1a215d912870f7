import {
  type DecisionRequest,
  type Decimal,
  ONE,
  floorToStep,
  formatDecimal,
  multiply,
  parseDecimal,
  subtract,
} from "@bellwether/trading";
import { type DecideContext, approvedOrder, worldOf } from "../decisions/decide.ts";
import { planFlatten } from "../decisions/plan-decision.ts";
import { insertPlan, storeNonce } from "../journal/order-records.ts";
import type { AccountBook } from "../portfolio/book.ts";
import type { Strategy } from "../strategies/strategy.ts";
import type { CommittedOrder } from "./dispatch.ts";
import { firstFlattenOrdinal, flattenOrdinals } from "./flatten-ordinals.ts";

export interface Sale {
  readonly market: string;
  /** The last close. */
  readonly price: string;
}

export interface SellOff {
  readonly strategy: Strategy;
  readonly book: AccountBook;
  readonly sales: readonly Sale[];
  /** How far below the last close a sale may fill, as a part of it: an order that fills at once or not at all. Absent: at the market. */
  readonly slippage?: Decimal;
}

/**
 * Commits sells of everything that a strategy holds of these markets, judged like its own. Within `exclusive`; the orders are to be dispatched by the caller.
 *
 * Denied sells are not journaled: they are tried again and again.
 */
export async function sellOff({ strategy, book, sales, slippage }: SellOff, context: DecideContext): Promise<CommittedOrder[]> {
  const { account, signer, epoch, clock, log } = context;
  const committed = await account.write(async (transaction) => {
    const [row] = await transaction.query<{ count: string }>(
      "select count(*) from risk.intents where strategy_uid = $1 and kind = 'flatten'",
      [strategy.uid],
    );
    const request = flattenRequest(
      { strategy, book, sales, ...(slippage !== undefined && { slippage }) },
      Number(row?.count ?? 0),
      context,
    );
    const plan = planFlatten(request, worldOf(context, { strategy, book, replaced: new Map() }));
    const allowed = { ...plan, intents: plan.intents.filter(({ verdict }) => verdict.allowed) };
    const { uid: strategyUid, run } = strategy;
    const key = { strategyUid, accountUid: account.accountUid, run, decisionTime: request.decisionTime, epoch };
    await insertPlan(transaction, key, allowed);
    const nonces = plan.orders.map(() => signer.newNonce());
    for (const [index, { order }] of plan.orders.entries()) {
      const { clientOrderId, attempt } = order;
      await storeNonce(transaction, { nonce: nonces[index] ?? "", clientOrderId, keyId: signer.keyId, epoch, attempt });
    }
    return { plan, nonces };
  });
  if (committed.plan.orders.length === 0) {
    const verdicts = committed.plan.intents.map(({ result }) => result.verdict);
    log.info({ strategy: strategy.name, verdicts }, "a position that is to be sold cannot be sold yet");
  }
  return committed.plan.orders.map((planned, index) => {
    const order = approvedOrder(planned, { strategyUid: strategy.uid, epoch, nowMs: clock.nowMs() });
    book.addOrder(order);
    book.countOrder(order.order.decisionTime);
    account.inFlight.add(order.order.clientOrderId);
    return { order, nonce: committed.nonces[index] ?? "" };
  });
}

function flattenRequest(
  { strategy: { uid, run, marketSet, state }, sales, slippage }: SellOff,
  attempts: number,
  { account }: DecideContext,
): DecisionRequest {
  const ordinal = (index: number): number => firstFlattenOrdinal + ((attempts + index) % flattenOrdinals);
  const bound = ({ market, price }: Sale): { limit: string; timeInForce: "IOC" } | undefined => {
    const step = account.terms(market)?.priceStep;
    if (slippage === undefined || step === undefined) return undefined;
    const limit = floorToStep(multiply(parseDecimal(price), subtract(ONE, slippage), "down"), step);
    return limit > 0n ? { limit: formatDecimal(limit), timeInForce: "IOC" } : undefined;
  };
  return {
    strategyUid: uid,
    run,
    marketSet,
    decisionTime: account.marketTimeMs,
    state,
    intents: sales.map((sale, index) => ({
      ordinal: ordinal(index),
      market: sale.market,
      side: "sell",
      size: { all: true },
      signalPrice: sale.price,
      validUntil: Number.MAX_SAFE_INTEGER,
      ...bound(sale),
    })),
    cancels: [],
    replaces: [],
  };
}
