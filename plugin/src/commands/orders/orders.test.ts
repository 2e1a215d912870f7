import { describe, expect, test } from "vitest";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, strategyObject } from "../../testing/fake-world.ts";
import { brokerOrderObject, clientOrderId, orderEntryObject } from "../../testing/wire-objects.ts";
import { orders } from "./run.ts";

const wish = { strategy: undefined, policy: undefined, openOnly: false, limit: 50 };

describe("orders", () => {
  test("of a strategy are asked of its policy", async () => {
    const { world, risks } = fakeWorld(policyObject("a"), policyObject("b"), strategyObject("trend", "b"));
    await orders({ ...wish, strategy: "trend", openOnly: true, limit: 7 }, world);
    expect(risks.get("b")?.calls).toEqual([{ call: "orders", body: { strategy: "trend", openOnly: true, limit: 7 } }]);
  });

  test("of a strategy that is no more need its policy", async () => {
    const { world, risks } = fakeWorld(policyObject("a"));
    await expect(orders({ ...wish, strategy: "gone" }, world)).rejects.toMatchObject({ code: "STRATEGY_NOT_FOUND" });
    await orders({ ...wish, strategy: "gone", policy: "a" }, world);
    expect(risks.get("a")?.calls).toHaveLength(1);
  });

  test("are a table with the id that `why` takes", async () => {
    const { world, risks } = fakeWorld(policyObject("a"));
    const limited = brokerOrderObject({ state: "Working", filledQuantity: "0" });
    risks.get("a")!.shownOrders = {
      orders: [
        orderEntryObject(),
        orderEntryObject({ order: { ...limited, order: { ...limited.order, type: "limit", limit: "40000" } } }),
      ],
      more: true,
    };
    const outcome = await orders(wish, world);
    const lines = outcome.lines(plainStyle);
    expect(lines[0]).toMatch(/^AGE +STRATEGY +MARKET +SIDE +TYPE +QUANTITY +LIMIT +FILLED +AVERAGE +STATE +ORDER$/);
    expect(lines[1]).toContain(clientOrderId);
    expect(lines[2]).toMatch(/limit +0.012 +40000 +0 +46001 +Working/);
    expect(lines.at(-1)).toContain("--limit");
    for (const line of outcome.lines({ colour: false, columns: 110 })) expect(line.length).toBeLessThanOrEqual(110);
  });

  test("that are not there are said to be not there", async () => {
    const { world } = fakeWorld(policyObject("a"));
    expect((await orders({ ...wish, openOnly: true }, world)).lines(plainStyle)).toEqual(["riskpolicy/a has no open orders"]);
  });
});
