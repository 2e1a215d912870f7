import { atr, decimal, defineStrategy, highest, integer, lowest } from "@bellwether/agent";

/**
 * Donchian channels: buys a close above the highest high of the bars before it, sells a close below their lowest low; a
 * stop some average true ranges below the signal is held from the start.
 */
export default defineStrategy({
  parameters: {
    entryBars: integer({ default: 55, min: 2, max: 500, about: "bars whose highest high must be passed" }),
    exitBars: integer({ default: 20, min: 2, max: 500, about: "bars whose lowest low ends the position" }),
    atrBars: integer({ default: 14, min: 2, max: 500, about: "bars in the average true range" }),
    stopAtrs: decimal({
      default: "3",
      min: "0",
      max: "20",
      about: "average true ranges from the signal's close to the stop; 0 for none",
    }),
    equityRatio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "part of the strategy's equity for one entry" }),
  },

  onBar(context) {
    const { entryBars, exitBars, atrBars, stopAtrs, equityRatio } = context.parameters;
    const close = context.closes.at(0);

    if (Number(context.position.quantity) > 0) {
      if (close < lowest(context.lows, exitBars, 1)) context.sell({ all: true });
      return;
    }
    if (!(close > highest(context.highs, entryBars, 1)) || context.orders().length > 0) return;
    const stop = close - Number(stopAtrs) * atr(context, atrBars);
    context.buy(Number(stopAtrs) > 0 && stop > 0 ? { equityRatio, stopLoss: stop.toFixed(8) } : { equityRatio });
  },
});
