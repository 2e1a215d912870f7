import { syntheticBars } from "@bellwether/trading";
import type { BarSource } from "./bar-source.ts";
import { seriesSource } from "./csv-source.ts";

const minuteMs = 60_000;

/** The generated demo market: one-minute bars, the same for the same seed as in a backtest. */
export function syntheticSource(seed: number, count = 200_000): BarSource {
  return seriesSource(syntheticBars({ seed, length: count, timeframeMs: minuteMs }), `synthetic/1 seed=${seed} bars=1m`);
}
