import { decimalFromNumber, formatDecimal, roundToDecimals } from "../decimal.ts";
import type { TradingCondition } from "../rules/rule.ts";
import type { BreakerView } from "../wire/control.ts";
import {
  armed,
  isTripped,
  limitOf,
  resetBreaker,
  stepBreaker,
  type BreakerAction,
  type BreakerConfig,
  type BreakerKernel,
  type BreakerState,
  type BreakerType,
  type Observation,
} from "./breaker.ts";
import { consecutiveLosses } from "./consecutive-losses.ts";
import { drawdown } from "./drawdown.ts";
import { gasSpike } from "./gas-spike.ts";
import { priceDeviation } from "./price-deviation.ts";
import { rapidLoss } from "./rapid-loss.ts";
import { rejectRate } from "./reject-rate.ts";
import { venueStale } from "./venue-stale.ts";
import { volatilitySpike } from "./volatility-spike.ts";

const kernels = {
  RapidLoss: rapidLoss,
  Drawdown: drawdown,
  ConsecutiveLosses: consecutiveLosses,
  VolatilitySpike: volatilitySpike,
  GasSpike: gasSpike,
  VenueStale: venueStale,
  RejectRate: rejectRate,
  PriceDeviation: priceDeviation,
} as const;

/** What measures breakers of a type. Its memory is opaque to everybody else. */
export function kernelOf(type: BreakerType): BreakerKernel {
  return kernels[type];
}

/** The two clocks of risk, see {@link BreakerKernel.clock}. In a backtest both are the market's. */
export interface Clocks {
  readonly marketMs: number;
  readonly wallMs: number;
}

export interface HeldBreaker {
  readonly config: BreakerConfig;
  readonly state: BreakerState;
}

/** A policy's breakers, at most one of each type, in the manifest's order. Immutable. */
export type BreakerSet = readonly HeldBreaker[];

/** The breakers of a changed policy: what is known of a type stays, types that are gone are forgotten, new ones begin armed. */
export function configureBreakers(before: BreakerSet, configs: readonly BreakerConfig[], clocks: Clocks): BreakerSet {
  return configs.map((config) => {
    const known = before.find((held) => held.config.type === config.type);
    return { config, state: known?.state ?? armed(kernelOf(config.type), timeOf(config.type, clocks)) };
  });
}

/** Shows an observation to the breakers that it says something to; without one, time passes for all of them. The same set when nothing changed. */
export function observeBreakers(breakers: BreakerSet, observation: Observation | undefined, clocks: Clocks): BreakerSet {
  let changed = false;
  const next = breakers.map((held) => {
    const { config, state } = held;
    if (observation !== undefined && kernels[config.type].observes !== observation.kind) return held;
    const after = stepBreaker(kernelOf(config.type), { state, observation }, { timeMs: timeOf(config.type, clocks), config });
    if (after === state) return held;
    changed = true;
    return { config, state: after };
  });
  return changed ? next : breakers;
}

/** Arms the tripped breaker of a type from the present. The same set when none is tripped. */
export function resetBreakers(breakers: BreakerSet, type: BreakerType, clocks: Clocks): BreakerSet {
  let changed = false;
  const next = breakers.map((held) => {
    if (held.config.type !== type) return held;
    const state = resetBreaker(kernelOf(type), held.state, timeOf(type, clocks));
    changed ||= state !== held.state;
    return { ...held, state };
  });
  return changed ? next : breakers;
}

const severity: Readonly<Record<BreakerAction, number>> = { Reduce: 1, Halt: 2, Flatten: 3 };

export interface BreakerStop {
  readonly action: BreakerAction;
  /** For the rules: `Reduce` lets exits through, `Halt` and `Flatten` nothing of a program. */
  readonly condition: TradingCondition;
}

/** What the tripped breakers stop: the severest action of them all, the first of the severest named. Undefined: nothing. */
export function stopOf(breakers: BreakerSet): BreakerStop | undefined {
  let severest: HeldBreaker | undefined;
  for (const held of breakers) {
    if (!isTripped(held.state)) continue;
    if (severest === undefined || severity[held.config.action] > severity[severest.config.action]) severest = held;
  }
  if (severest === undefined) return undefined;
  const { action } = severest.config;
  const state = action === "Reduce" ? "Reducing" : "Halted";
  return { action, condition: { state, by: "breaker", message: describeBreaker(severest) } };
}

const doing: Readonly<Record<BreakerAction, string>> = {
  Reduce: "only orders that shrink a position pass",
  Halt: "nothing new is ordered and working entries are cancelled",
  Flatten: "entries are cancelled and everything is sold",
};

/** `RapidLoss 0.0312 (threshold 0.03): entries are cancelled and everything is sold`, without times: it must not change with every look. */
export function describeBreaker({ config, state }: HeldBreaker): string {
  const rearm = kernelOf(config.type).manual ? ", until a person arms it again" : "";
  return `${config.type} ${figure(state.value)} (threshold ${figure(limitOf(config))}): ${doing[config.action]}${rearm}`;
}

/** Six decimals, as text. */
function figure(value: number | undefined): string {
  return value === undefined ? "unknown" : formatDecimal(roundToDecimals(decimalFromNumber(value), 6, "halfEven"));
}

/** For status. Times are wall times: those of a breaker that runs on market time are reckoned from now. */
export function viewBreakers(breakers: BreakerSet, clocks: Clocks): BreakerView[] {
  return breakers.map((held) => {
    const { config, state } = held;
    const offsetMs = clocks.wallMs - timeOf(config.type, clocks);
    const wall = (timeMs: number): number => Math.max(0, Math.round(timeMs + offsetMs));
    return {
      type: config.type,
      scope: {},
      state: state.phase,
      action: config.action,
      ...(isTripped(state) && { since: wall(state.sinceMs), message: describeBreaker(held).slice(0, 500) }),
      ...(state.untilMs !== undefined && { until: wall(state.untilMs) }),
      ...(state.value !== undefined && { value: figure(state.value) }),
      threshold: figure(limitOf(config)),
    };
  });
}

function timeOf(type: BreakerType, { marketMs, wallMs }: Clocks): number {
  return kernels[type].clock === "market" ? marketMs : wallMs;
}
