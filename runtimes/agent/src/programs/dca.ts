import { decimal, defineStrategy, integer } from "@bellwether/agent";

/** Dollar-cost averaging: buys for the same amount every so many bars, and takes profit on all of it above the average cost. */
export default defineStrategy({
  parameters: {
    everyBars: integer({ default: 60, min: 1, max: 100_000, about: "bars between two purchases" }),
    notional: decimal({ default: "100", min: "0.01", max: "1000000000", about: "quote currency spent on each" }),
    maxPurchases: integer({ default: 10, min: 1, max: 100_000, about: "purchases before it waits for the profit" }),
    takeProfitRatio: decimal({
      default: "0.01",
      min: "0",
      max: "10",
      about: "sells all at this much above average cost; 0 for never",
    }),
  },

  onBar(context) {
    const { everyBars, notional, maxPurchases, takeProfitRatio } = context.parameters;
    const waited = Number(context.state["waitedBars"] ?? everyBars) + 1;
    context.state["waitedBars"] = waited;

    const held = Number(context.position.quantity);
    const target = Number(context.position.averagePrice) * (1 + Number(takeProfitRatio));
    if (held > 0 && Number(takeProfitRatio) > 0 && context.closes.at(0) >= target) {
      context.sell({ all: true });
      context.state["purchases"] = 0;
      return;
    }
    // What risk has sold (a breaker that flattens) will bring no profit: waiting for it would be for ever.
    if (held === 0 && context.orders().length === 0) context.state["purchases"] = 0;
    const purchases = Number(context.state["purchases"] ?? 0);
    if (waited < everyBars || purchases >= maxPurchases) return;
    context.buy({ notional });
    context.state["waitedBars"] = 0;
    context.state["purchases"] = purchases + 1;
  },

  // What risk denied was not bought: it must not use up one of the purchases.
  onReject(context, { side }) {
    if (side === "buy") context.state["purchases"] = Math.max(0, Number(context.state["purchases"] ?? 0) - 1);
  },
});
