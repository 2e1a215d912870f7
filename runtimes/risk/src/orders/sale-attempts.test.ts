import { describe, expect, test } from "vitest";
import type { CommittedOrder } from "./dispatch.ts";
import { SaleAttempts } from "./sale-attempts.ts";

const committed = [{} as CommittedOrder];

/** Times at which a sale is tried, each asked for every 50 ms and ending without a fill. */
async function salesWithin(forMs: number, isMade: boolean): Promise<number[]> {
  const attempts = new SaleAttempts();
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= forMs; nowMs += 50)
    await attempts.sell("alpha", nowMs, async () => {
      times.push(nowMs);
      return isMade ? committed : [];
    });
  return times;
}

describe("sells of a strategy by risk", () => {
  test("wait twice as long after each one that was made, eight seconds at most", async () => {
    expect(await salesWithin(32_000, true)).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 23_500, 31_500]);
  });

  test("are tried again after a quarter of a second when none was made", async () => {
    expect(await salesWithin(1_000, false)).toEqual([0, 250, 500, 750, 1_000]);
  });

  test("that fail are tried again after the same pause, and widen no bound", async () => {
    const attempts = new SaleAttempts();
    const fail = () => attempts.sell("alpha", 0, () => Promise.reject(new Error("no journal")));
    await expect(fail()).rejects.toThrow("no journal");
    expect(await fail()).toEqual([]);
    const seen: number[] = [];
    await attempts.sell("alpha", 250, async (made) => [...committed].filter(() => seen.push(made)));
    expect(seen).toEqual([0]);
  });

  test("are counted for each strategy apart, and anew once they are forgotten", async () => {
    const attempts = new SaleAttempts();
    /** How many have been made before; undefined: it is too early. */
    const sold = async (uid: string, nowMs: number): Promise<number | undefined> => {
      let before: number | undefined;
      await attempts.sell(uid, nowMs, async (made) => {
        before = made;
        return committed;
      });
      return before;
    };
    expect([await sold("alpha", 0), await sold("alpha", 1), await sold("beta", 1), await sold("alpha", 500)]).toEqual([
      0,
      undefined,
      0,
      1,
    ]);
    attempts.forget("alpha");
    expect(await sold("alpha", 1)).toBe(0);
    attempts.clear();
    expect(await sold("beta", 1)).toBe(0);
  });

  test("go on at the pace of those before a start", async () => {
    const attempts = new SaleAttempts();
    attempts.restore([
      { uid: "alpha", atMs: 1_500 },
      { uid: "alpha", atMs: 0 },
      { uid: "alpha", atMs: 500 },
      { uid: "alpha", atMs: 500 },
    ]);
    const seen: [number, number][] = [];
    for (let nowMs = 1_600; nowMs <= 4_000; nowMs += 50)
      await attempts.sell("alpha", nowMs, async (made) => [...committed].filter(() => seen.push([nowMs, made])));
    expect(seen).toEqual([[3_500, 3]]);
  });
});
