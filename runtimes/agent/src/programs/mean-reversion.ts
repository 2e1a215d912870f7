import { decimal, defineStrategy, integer, zScore } from "@bellwether/agent";

/**
 * Buys what fell too far below its average and sells it once it is back: entry below -entryDeviations, exit above
 * -exitDeviations or after maxHoldBars.
 */
export default defineStrategy({
  parameters: {
    length: integer({ default: 30, min: 5, max: 500, about: "bars in the average and its standard deviation" }),
    entryDeviations: decimal({ default: "2", min: "0.5", max: "6", about: "standard deviations below the average to buy at" }),
    exitDeviations: decimal({ default: "0", min: "-3", max: "3", about: "standard deviations below the average to sell at" }),
    equityRatio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "part of the strategy's equity for one entry" }),
    maxHoldBars: integer({ default: 240, min: 1, max: 100_000, about: "bars after which a position is sold anyway" }),
  },

  check: ({ entryDeviations, exitDeviations }) =>
    Number(exitDeviations) < Number(entryDeviations)
      ? []
      : [`parameter exitDeviations is ${exitDeviations}: must be less than entryDeviations (${entryDeviations})`],

  onBar(context) {
    const { length, entryDeviations, exitDeviations, equityRatio, maxHoldBars } = context.parameters;
    const score = zScore(context.closes, length);

    if (Number(context.position.quantity) === 0) {
      context.state["heldBars"] = 0;
      if (score < -Number(entryDeviations) && context.orders().length === 0) context.buy({ equityRatio });
      return;
    }
    const heldBars = Number(context.state["heldBars"] ?? 0) + 1;
    context.state["heldBars"] = heldBars;
    const done = score > -Number(exitDeviations) || heldBars >= maxHoldBars;
    if (done && context.orders().length === 0) context.sell({ all: true });
  },
});
