import { CodedError } from "@bellwether/service-kit";
import {
  type Decimal,
  type FinalOrder,
  type MarketRules,
  decimalFromNumber,
  divide,
  floorToStep,
  formatDecimal,
  minimum,
  multiply,
  parseDecimal,
} from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";

/** An order in the form exchanges take: text that is on the market's steps. */
export interface OrderShape {
  readonly side: "buy" | "sell";
  readonly type: "limit" | "market";
  readonly quantity: string;
  readonly price?: string;
  readonly timeInForce: "GTC" | "IOC" | "FOK";
  readonly postOnly: boolean;
}

/** How far above the last price a market buy may reach. */
const longestReach = parseDecimal("1.05");

/**
 * What goes to the exchange for an order, its protective legs left out (they are orders of their own): pure. A market buy becomes a limit order that is filled at once or not at all beyond `maxCost` and 5 %
 * above the last price: exchanges bound neither. A market sell stays one, so that an exit is never left half done by a bound.
 *
 * @throws CodedError PRICE_UNKNOWN, ORDER_NOT_SUPPORTED
 */
export function orderShape(order: FinalOrder, rules: MarketRules, lastPrice: Decimal | undefined): OrderShape {
  const quantity = onStep(order.quantity, rules.quantityStep);
  const { side } = order;
  if (order.type === "limit") {
    if (order.limit === undefined) throw refusal("ORDER_NOT_SUPPORTED", "a limit order without a limit");
    const postOnly = order.timeInForce === "PostOnly";
    return {
      side,
      type: "limit",
      quantity,
      price: onStep(order.limit, rules.priceStep),
      timeInForce: order.timeInForce === "PostOnly" ? "GTC" : order.timeInForce,
      postOnly,
    };
  }
  if (order.timeInForce === "PostOnly") throw refusal("ORDER_NOT_SUPPORTED", "a market order cannot be PostOnly");
  if (side === "sell") return { side, type: "market", quantity, timeInForce: "IOC", postOnly: false };
  if (lastPrice === undefined) throw refusal("PRICE_UNKNOWN", `no bar of ${order.market} has closed yet`);
  const price = formatDecimal(floorToStep(highest(order, lastPrice), parseDecimal(rules.priceStep)));
  return { side, type: "limit", quantity, price, timeInForce: order.timeInForce === "FOK" ? "FOK" : "IOC", postOnly: false };
}

function highest({ maxCost, quantity }: FinalOrder, lastPrice: Decimal): Decimal {
  const reach = multiply(lastPrice, longestReach, "down");
  if (maxCost === undefined) return reach;
  return minimum(reach, divide(parseDecimal(maxCost), parseDecimal(quantity), "down"));
}

/** Canonical text of an amount, which must survive being a JavaScript number: ccxt and the exchanges' JSON may make one of it. */
export function onStep(amount: string, step: string): string {
  const exact = parseDecimal(amount);
  if (exact % parseDecimal(step) !== 0n) throw refusal("QUANTITY_NOT_ON_STEP", `${amount} is no multiple of ${step}`);
  const text = formatDecimal(exact);
  if (decimalFromNumber(Number(text)) === exact) return text;
  throw refusal("ORDER_NOT_SUPPORTED", `${text} has more digits than a number can carry`);
}

function refusal(code: BrokerErrorCode, message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>(code, message);
}
