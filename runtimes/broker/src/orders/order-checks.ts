import { CodedError } from "@bellwether/service-kit";
import {
  type Decimal,
  type FinalOrder,
  type MarketRules,
  clientOrderId,
  formatDecimal,
  multiply,
  parseCanonicalOrder,
  parseDecimal,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";

/**
 * The order an approval or a void speaks of.
 *
 * @throws CodedError ORDER_MALFORMED: not the canonical text, or a client order id that is not derived from intent and attempt, with which one
 * intent could be placed under two ids
 */
export function orderFromText(text: string): FinalOrder {
  let order: FinalOrder;
  try {
    order = parseCanonicalOrder(text);
  } catch (cause) {
    throw new CodedError<BrokerErrorCode>("ORDER_MALFORMED", "the order is not the canonical text of a valid order", { cause });
  }
  if (order.clientOrderId === clientOrderId(order.intentId, order.attempt)) return order;
  throw new CodedError<BrokerErrorCode>("ORDER_MALFORMED", "the client order id is not the digest of intent id and attempt", {
    context: { intentId: order.intentId, attempt: order.attempt, clientOrderId: order.clientOrderId },
  });
}

export interface CheckContext {
  /** `accounts[].name` of this broker. */
  readonly account: string;
  readonly rules: MarketRules | undefined;
  readonly hardCaps: { readonly maxOrderNotional?: string | undefined };
  /** Close of the last base bar of the order's market. */
  readonly lastPrice: Decimal | undefined;
  /** Its legs would rest at the venue as orders of their own. */
  readonly restingLegs?: boolean;
}

/**
 * The broker's own look at an order, before anything is recorded: pure.
 *
 * @returns the notional that counts against the hard caps, in quote currency, rounded up; zero for what only shrinks a position, so that a
 * cap can never lock a position in
 * @throws CodedError ACCOUNT_MISMATCH, MARKET_TYPE_NOT_SUPPORTED, MARKET_UNKNOWN, QUANTITY_NOT_ON_STEP, ORDER_NOT_SUPPORTED, PRICE_UNKNOWN, HARD_CAP_ORDER_NOTIONAL
 */
export function checkOrder(order: FinalOrder, context: CheckContext): Decimal {
  const { account, rules, hardCaps, lastPrice } = context;
  if (order.account !== account)
    throw refusal("ACCOUNT_MISMATCH", `the order is for account ${order.account}, this broker is ${account}'s`);
  if (!rules && order.market.includes(":"))
    throw refusal("MARKET_TYPE_NOT_SUPPORTED", `MarketTypeNotSupported: ${order.market} is not a spot market`);
  if (!rules) throw refusal("MARKET_UNKNOWN", `the venue has no market ${order.market}`);
  checkSteps(order, rules);
  if (context.restingLegs === true) checkLegs(order, rules);
  if (order.side === "sell") return parseDecimal("0");

  const price = order.limit === undefined ? lastPrice : parseDecimal(order.limit);
  if (price === undefined) throw refusal("PRICE_UNKNOWN", `no bar of ${order.market} has closed yet`);
  const notional = multiply(parseDecimal(order.quantity), price, "up");
  const { maxOrderNotional } = hardCaps;
  if (maxOrderNotional === undefined || notional <= parseDecimal(maxOrderNotional)) return notional;
  throw refusal("HARD_CAP_ORDER_NOTIONAL", `the order is worth ${formatDecimal(notional)}, at most ${maxOrderNotional} is taken`);
}

function checkSteps(order: FinalOrder, rules: MarketRules): void {
  const offStep = (value: string | undefined, step: string): boolean =>
    value !== undefined && parseDecimal(value) % parseDecimal(step) !== 0n;
  if (offStep(order.quantity, rules.quantityStep)) {
    throw refusal("QUANTITY_NOT_ON_STEP", `quantity ${order.quantity} is no multiple of ${rules.quantityStep}`);
  }
  if (offStep(order.limit, rules.priceStep)) {
    throw refusal("QUANTITY_NOT_ON_STEP", `limit ${order.limit ?? ""} is no multiple of ${rules.priceStep}`);
  }
}

/** What nothing could protect is not bought. */
function checkLegs({ side, quantity, stopLoss, takeProfit }: FinalOrder, rules: MarketRules): void {
  const lowest = stopLoss ?? takeProfit;
  if (lowest === undefined) return;
  if (side === "sell") throw refusal("ORDER_NOT_SUPPORTED", "stopLoss and takeProfit belong to a buy");
  for (const price of [stopLoss, takeProfit]) {
    if (price !== undefined && parseDecimal(price) % parseDecimal(rules.priceStep) !== 0n)
      throw refusal("QUANTITY_NOT_ON_STEP", `a leg at ${price} is no multiple of ${rules.priceStep}`);
  }
  const worth = multiply(parseDecimal(quantity), parseDecimal(lowest), "down");
  const { minNotional } = rules;
  if (minNotional === undefined || worth >= parseDecimal(minNotional)) return;
  const message = `its legs would sell for ${formatDecimal(worth)}, below the ${minNotional} that the venue takes`;
  throw refusal("ORDER_NOT_SUPPORTED", message);
}

function refusal(code: BrokerErrorCode, message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>(code, message);
}
