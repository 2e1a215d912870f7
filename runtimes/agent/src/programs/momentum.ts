import { choice, decimal, defineStrategy, integer, sma } from "@bellwether/agent";

/**
 * Rides trends: in when the fast average of closes crosses above the slow one, out when it crosses below.
 * The first bar only notes which way the market goes; a denied entry is not asked for again before the next crossing.
 */
export default defineStrategy({
  parameters: {
    fast: integer({ default: 20, min: 1, max: 499, about: "bars in the fast average" }),
    slow: integer({ default: 60, min: 2, max: 500, about: "bars in the slow average, more than fast" }),
    equityRatio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "part of the strategy's equity for one entry" }),
    stopLossRatio: decimal({ default: "0", min: "0", max: "0.5", about: "stop this far below the signal's close; 0 for none" }),
    exit: choice({ default: "Cross", choices: ["Cross", "StopOnly"], about: "whether a crossing below sells" }),
  },

  check: ({ fast, slow }) => (slow > fast ? [] : [`parameter slow is ${slow}: must be greater than fast (${fast})`]),

  onBar(context) {
    const { fast, slow, equityRatio, stopLossRatio, exit } = context.parameters;
    const fastAverage = sma(context.closes, fast);
    const slowAverage = sma(context.closes, slow);
    // NaN while there are too few bars, and a tie: neither is a crossing.
    if (!(fastAverage > slowAverage) && !(fastAverage < slowAverage)) return;

    const trend = fastAverage > slowAverage ? "up" : "down";
    const before = context.state["trend"];
    if (trend === before) return;
    context.state["trend"] = trend;
    if (before === undefined) return;

    const flat = Number(context.position.quantity) === 0;
    if (trend === "up" && flat) {
      const stop = context.closes.at(0) * (1 - Number(stopLossRatio));
      context.buy(stopLossRatio === "0" ? { equityRatio } : { equityRatio, stopLoss: stop.toFixed(8) });
    } else if (trend === "down" && !flat && exit === "Cross") {
      context.sell({ all: true });
    }
  },
});
