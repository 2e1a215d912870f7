import { decimalFromInteger, minimum, multiply, parseDecimal, type Decimal } from "../decimal.ts";

const FIRST = parseDecimal("0.01");
const WIDEST = parseDecimal("0.1");
const MAX_DOUBLINGS = 8;

/**
 * How far below the last price a flattening sell may fill: one percent, twice that after each attempt that left something, at most ten percent. Each attempt
 * starts from the price of its moment: a falling market is followed, a single false price is not sold into.
 *
 * @param attempts how many have ended without selling everything
 */
export function flattenSlippage(attempts: number): Decimal {
  return minimum(multiply(FIRST, decimalFromInteger(2 ** Math.min(attempts, MAX_DOUBLINGS)), "down"), WIDEST);
}
