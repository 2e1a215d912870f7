import {
  type Decimal,
  ZERO,
  decimalFromInteger,
  divide,
  formatDecimal,
  maximum,
  parseDecimal,
  roundToDecimals,
  subtract,
} from "../decimal.ts";
import type { AlertMetric, AlertRule } from "../wire/alerts.ts";

/** What a strategy's alerts look at. Money in the base currency; absent where nothing is known yet, which is no reason to alert. */
export interface StrategyFigures {
  readonly startingCapital: Decimal;
  readonly equity: Decimal;
  /** Highest equity since the strategy was admitted. */
  readonly peakEquity: Decimal;
  /** Wall time from the relay of the bar to the arrival of the decision on it, the latest one, in milliseconds. */
  readonly decisionLatencyMs: number | undefined;
  /** Wall time since the latest bar was relayed, in milliseconds. Market time would lie in an accelerated replay. */
  readonly barAgeMs: number | undefined;
}

export interface AlertMeasure {
  readonly breached: boolean;
  readonly value: Decimal;
}

/** Alerts below the threshold; every other metric alerts above it. */
const alertsBelow: ReadonlySet<AlertMetric> = new Set<AlertMetric>(["pnlRatio", "equity"]);

/** Decimals of a ratio that a person is told. */
const ratioDecimals = 6;

/**
 * Measures one alert of a strategy. At the threshold itself nothing is wrong yet.
 *
 * @returns undefined while the figure is not known, or has no meaning (a ratio of nothing)
 */
export function measureAlert({ metric, threshold }: AlertRule, figures: StrategyFigures): AlertMeasure | undefined {
  const value = valueOf(metric, figures);
  if (value === undefined) return undefined;
  const limit = parseDecimal(threshold);
  return { value, breached: alertsBelow.has(metric) ? value < limit : value > limit };
}

function valueOf(metric: AlertMetric, figures: StrategyFigures): Decimal | undefined {
  const { startingCapital, equity, peakEquity, decisionLatencyMs, barAgeMs } = figures;
  switch (metric) {
    case "equity":
      return equity;
    case "pnlRatio":
      return startingCapital <= ZERO ? undefined : ratio(subtract(equity, startingCapital), startingCapital);
    case "drawdownRatio": {
      const peak = maximum(peakEquity, equity);
      return peak <= ZERO ? undefined : ratio(subtract(peak, equity), peak);
    }
    case "decisionLatency":
      return decisionLatencyMs === undefined ? undefined : decimalFromInteger(Math.round(decisionLatencyMs));
    case "barAge":
      return barAgeMs === undefined ? undefined : decimalFromInteger(Math.round(barAgeMs));
  }
}

function ratio(part: Decimal, whole: Decimal): Decimal {
  return roundToDecimals(divide(part, whole, "halfEven"), ratioDecimals, "halfEven");
}

/** `pnlRatio is -0.061, below -0.05`, `barAge is 95000 ms, above 60000 ms`. */
export function describeMeasure({ metric, threshold }: AlertRule, { value, breached }: AlertMeasure): string {
  const unit = metric === "decisionLatency" || metric === "barAge" ? " ms" : "";
  const side = alertsBelow.has(metric) ? (breached ? "below" : "not below") : breached ? "above" : "not above";
  return `${metric} is ${formatDecimal(value)}${unit}, ${side} ${formatDecimal(parseDecimal(threshold))}${unit}`;
}
