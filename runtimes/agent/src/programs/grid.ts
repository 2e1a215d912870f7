import { type ProgramContext, decimal, defineStrategy, integer } from "@bellwether/agent";

/** As many as one decision may hold. */
const mostCancels = 100;

/**
 * A ladder of limit buys below the market, each with a take profit one step above it; a rung that was sold is put back. The
 * ladder hangs from an anchor, the close it was laid out at, and is laid out anew once nothing is held and the market has
 * risen past the anchor by a step.
 */
export default defineStrategy({
  parameters: {
    levels: integer({ default: 5, min: 1, max: 50, about: "rungs below the market" }),
    stepRatio: decimal({
      default: "0.004",
      min: "0.0001",
      max: "0.5",
      about: "distance between two rungs, as a part of the price",
    }),
    notional: decimal({ default: "100", min: "0.01", max: "1000000000", about: "quote currency of each rung" }),
  },

  check: ({ levels, stepRatio }) =>
    levels * Number(stepRatio) < 1
      ? []
      : [`parameter levels is ${levels}: with stepRatio ${stepRatio} the lowest rung would lie below 0`],

  onBar(context) {
    const anchor = Number(context.state["anchor"] ?? 0);
    // What is held waits for its take profits; the ladder stays as it is.
    if (anchor !== 0 && Number(context.position.quantity) > 0) return;

    const close = context.closes.at(0);
    const resting = context.orders();
    const hasRisen = close > anchor * (1 + Number(context.parameters.stepRatio));
    if (anchor !== 0 && resting.length > 0 && !hasRisen) return;
    for (const order of resting.slice(0, mostCancels)) context.cancel(order.id);
    // The rest goes with the next bar; a new ladder beside the old one would double what is at stake.
    if (resting.length <= mostCancels) layOut(context, close);
  },

  onFill(context, fill) {
    if (fill.leg !== "takeProfit") return;
    const step = Number(context.state["anchor"] ?? 0) * Number(context.parameters.stepRatio);
    const limit = Number(fill.price) - step;
    if (limit > 0) context.buy({ quantity: fill.quantity, limit: limit.toFixed(8), takeProfit: Number(fill.price).toFixed(8) });
  },
});

function layOut(
  context: ProgramContext<{ readonly levels: number; readonly stepRatio: string; readonly notional: string }>,
  anchor: number,
): void {
  const { levels, stepRatio, notional } = context.parameters;
  const step = anchor * Number(stepRatio);
  context.state["anchor"] = anchor;
  for (let level = 1; level <= levels; level++) {
    const limit = anchor - level * step;
    context.buy({ notional, limit: limit.toFixed(8), takeProfit: (limit + step).toFixed(8) });
  }
}
