import { describe, expect, test } from "vitest";
import dca from "./dca.ts";
import { fillsOf, flat, runOver } from "./testing/run-over.ts";

describe("dca", () => {
  test("buys for the same amount every so many bars, up to maxPurchases", async () => {
    const result = await runOver("dca", flat(100, 50), { everyBars: 10, maxPurchases: 3 });
    expect(fillsOf(result)).toEqual(["1 buy 100", "11 buy 100", "21 buy 100"]);
    expect(result.fills.map(({ quantity }) => quantity)).toEqual(["1", "1", "1"]);
  });

  test("takes the profit on all of it and begins anew", async () => {
    const bars = [...flat(100, 12), ...flat(103, 15)];
    const result = await runOver("dca", bars, { everyBars: 10, takeProfitRatio: "0.02" });
    expect(fillsOf(result)).toEqual(["1 buy 100", "11 buy 100", "13 sell 103", "21 buy 103"]);
    expect(result.trades).toBe(1);
  });

  test("begins anew when risk has sold what it waited with", () => {
    const state: Record<string, number> = { purchases: 10, waitedBars: 60 };
    const bought: unknown[] = [];
    const context = {
      state,
      parameters: { everyBars: 60, notional: "100", maxPurchases: 10, takeProfitRatio: "0.01" },
      position: { quantity: "0", averagePrice: "0" },
      orders: () => [],
      buy: (request: unknown) => bought.push(request),
    } as unknown as Parameters<typeof dca.onBar>[0];
    void dca.onBar(context);
    expect(bought).toEqual([{ notional: "100" }]);
    expect(state["purchases"]).toBe(1);
  });

  test("does not count what was denied as bought", () => {
    const state = { purchases: 2 };
    const context = { state } as unknown as Parameters<NonNullable<typeof dca.onReject>>[0];
    const rejection = { decisionTime: 0, ordinal: 0, market: "BTC/USDT", reason: "HALTED", message: "" };
    void dca.onReject?.(context, { ...rejection, side: "sell" });
    expect(state.purchases).toBe(2);
    void dca.onReject?.(context, { ...rejection, side: "buy" });
    expect(state.purchases).toBe(1);
  });
});
