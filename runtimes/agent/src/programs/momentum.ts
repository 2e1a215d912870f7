import { choice, decimal, defineStrategy, integer, sma } from "@bellwether/agent";

/**
 * Rides trends: in when the fast average of closes rises above a band around the slow one, out when it falls below the band.
 * The band keeps a sideways market from churning fees. The first trend is only noted, never traded; a denied entry is not
 * asked for again before the next crossing.
 */
export default defineStrategy({
  parameters: {
    fast: integer({ default: 20, min: 1, max: 499, about: "bars in the fast average" }),
    slow: integer({ default: 60, min: 2, max: 500, about: "bars in the slow average, more than fast" }),
    bandBps: integer({ default: 20, min: 0, max: 1000, about: "half width of the band, in basis points of the slow average" }),
    equityRatio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "part of the strategy's equity for one entry" }),
    stopLossRatio: decimal({ default: "0", min: "0", max: "0.5", about: "stop this far below the signal's close; 0 for none" }),
    exit: choice({ default: "Cross", choices: ["Cross", "StopOnly"], about: "whether a crossing below sells" }),
  },

  check: ({ fast, slow }) => (slow > fast ? [] : [`parameter slow is ${slow}: must be greater than fast (${fast})`]),

  onBar(context) {
    const { fast, slow, bandBps, equityRatio, stopLossRatio, exit } = context.parameters;
    const slowAverage = sma(context.closes, slow);
    const distance = sma(context.closes, fast) - slowAverage;
    const band = (slowAverage * bandBps) / 10_000;
    // Neither is true within the band, nor while there are too few bars: NaN.
    const trend = distance > band ? "up" : distance < -band ? "down" : undefined;

    const before = context.state["trend"];
    if (trend === undefined || trend === before) return;
    context.state["trend"] = trend;
    if (before === undefined) return;

    const flat = Number(context.position.quantity) === 0;
    if (trend === "up" && flat) {
      const stop = context.closes.at(0) * (1 - Number(stopLossRatio));
      context.buy(Number(stopLossRatio) === 0 ? { equityRatio } : { equityRatio, stopLoss: stop.toFixed(8) });
    } else if (trend === "down" && !flat && exit === "Cross") {
      context.sell({ all: true });
    }
  },
});
