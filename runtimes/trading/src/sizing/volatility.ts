const YEAR_MS = 365 * 86_400_000;
/** Fewer returns say nothing. */
const MIN_RETURNS = 10;

/**
 * Yearly volatility: the sample standard deviation of log returns × √(bars in a year). Undefined with fewer than ten returns.
 *
 * @param closes oldest first, all above 0, of bars of `stepMs`
 */
export function yearlyVolatility(closes: ArrayLike<number>, stepMs: number): number | undefined {
  const count = closes.length - 1;
  if (count < MIN_RETURNS) return undefined;
  let [sum, squares] = [0, 0];
  for (let index = 1; index <= count; index++) {
    const change = Math.log((closes[index] ?? 0) / (closes[index - 1] ?? 0));
    sum += change;
    squares += change * change;
  }
  const variance = Math.max(0, (squares - (sum * sum) / count) / (count - 1));
  return Math.sqrt((variance * YEAR_MS) / stepMs);
}
