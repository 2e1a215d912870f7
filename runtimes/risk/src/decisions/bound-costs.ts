import {
  BASIS_POINT,
  type Decimal,
  ZERO,
  add,
  decimalFromInteger,
  minimum,
  multiply,
  multiplyDivide,
  subtract,
} from "@bellwether/trading";

/** A buy of one decision, after sizing. */
export interface BuyToBound {
  readonly reservation: Decimal;
  /** A limit order cannot cost more than its reservation, which is reckoned at the limit. */
  readonly limited: boolean;
}

/** How far above the expected cost a market order may fill before the venue clips it: ten percent. */
const slackRatio = multiply(decimalFromInteger(1_000), BASIS_POINT, "down");

/**
 * The most each buy of a decision may cost, in the order given: its reservation and, for market orders, a part of the cash that is left.
 *
 * The sum never passes `freeCash`, and each bound stays reserved while the order is open: whatever gap the market opens with, the fills of all
 * open buys together cannot take more than the strategy's own cash. Without the ten percent one pending order would lock all of it.
 */
export function boundCosts(buys: readonly BuyToBound[], freeCash: Decimal): Decimal[] {
  let total = ZERO;
  let market = ZERO;
  for (const { reservation, limited } of buys) {
    total = add(total, reservation);
    if (!limited) market = add(market, reservation);
  }
  const left = subtract(freeCash, total);
  const slack = left > 0n ? minimum(left, multiply(market, slackRatio, "down")) : ZERO;
  return buys.map(({ reservation, limited }) => {
    if (limited || slack === 0n) return reservation;
    return add(reservation, multiplyDivide(slack, reservation, { divisor: market, rounding: "down" }));
  });
}
