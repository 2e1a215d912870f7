import { describe, expect, test } from "vitest";
import { SaleAttempts } from "./sale-attempts.ts";

/** Times at which a sale is due, each asked for every 50 ms and ending without a fill. */
function salesWithin(forMs: number, isMade: boolean): number[] {
  const attempts = new SaleAttempts();
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= forMs; nowMs += 50) {
    if (attempts.due("alpha", nowMs) === undefined) continue;
    attempts.tried("alpha", nowMs);
    if (isMade) attempts.made("alpha");
    times.push(nowMs);
  }
  return times;
}

describe("sells of a strategy by risk", () => {
  test("wait twice as long after each one that was made, eight seconds at most", () => {
    expect(salesWithin(32_000, true)).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 23_500, 31_500]);
  });

  test("are tried again after a quarter of a second when none was made", () => {
    expect(salesWithin(1_000, false)).toEqual([0, 250, 500, 750, 1_000]);
  });

  test("are counted for each strategy apart, and anew once they are forgotten", () => {
    const attempts = new SaleAttempts();
    attempts.tried("alpha", 0);
    attempts.made("alpha");
    expect([attempts.due("alpha", 1), attempts.due("beta", 1), attempts.due("alpha", 500)]).toEqual([undefined, 0, 1]);
    attempts.forget("alpha");
    expect(attempts.due("alpha", 1)).toBe(0);
    attempts.tried("beta", 1);
    attempts.clear();
    expect(attempts.due("beta", 1)).toBe(0);
  });
});
