import { describe, expect, test } from "vitest";
import grid from "./grid.ts";
import { fillsOf, flat, runOver } from "./testing/run-over.ts";

const parameters = { levels: 3, stepRatio: "0.01", notional: "100" };

describe("grid", () => {
  test("buys each rung that the market trades through, and sells it a step higher", async () => {
    const bars = [...flat(100, 2), { close: 97.5 }, { close: 99.5 }, { close: 99.5 }];
    const fills = fillsOf(await runOver("grid", bars, parameters));
    expect(fills.filter((fill) => fill.includes("buy"))).toEqual(["2 buy 99", "2 buy 98"]);
    expect(fills.filter((fill) => fill.includes("sell"))).toEqual(["3 sell 99"]);
  });

  test("puts a sold rung back", async () => {
    const bars = [...flat(100, 2), { close: 97.5 }, { close: 99.5 }, { close: 99.5 }, { close: 97.5 }, { close: 97.5 }];
    const fills = fillsOf(await runOver("grid", bars, parameters));
    expect(fills.filter((fill) => fill.endsWith("buy 98"))).toHaveLength(2);
  });

  test("follows a market that rises away from it", async () => {
    const bars = [...flat(100, 3), ...flat(105, 3), { close: 103.5 }, { close: 103.5 }];
    expect(fillsOf(await runOver("grid", bars, parameters))).toEqual(["6 buy 103.95"]);
  });

  test.each([
    { resting: 100, cancelled: 100, bought: 3 },
    { resting: 130, cancelled: 100, bought: 0 },
  ])("takes $resting rungs off with no more cancels than a decision may hold", ({ resting, cancelled, bought }) => {
    const actions: string[] = [];
    const context = {
      parameters,
      state: { anchor: 100 },
      position: { quantity: "0" },
      closes: { at: () => 110 },
      orders: () => Array.from({ length: resting }, (_, index) => ({ id: String(index) })),
      cancel: () => void actions.push("cancel"),
      buy: () => void actions.push("buy"),
    };
    void grid.onBar(context as never);
    expect(actions.filter((action) => action === "cancel")).toHaveLength(cancelled);
    expect(actions.filter((action) => action === "buy")).toHaveLength(bought);
  });

  test("refuses a ladder that reaches below zero", async () => {
    await expect(runOver("grid", [], { levels: 50, stepRatio: "0.02" })).rejects.toMatchObject({
      message: "parameter levels is 50: with stepRatio 0.02 the lowest rung would lie below 0",
    });
  });
});
