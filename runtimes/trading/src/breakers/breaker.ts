import type { BreakerView } from "../wire/control.ts";

export type BreakerType = BreakerView["type"];
/** What a tripped breaker does, the mildest first. The severest action of all tripped breakers is in force. */
export type BreakerAction = BreakerView["action"];

/** One entry of `circuitBreakers`, defaults filled in. */
export interface BreakerConfig {
  readonly type: BreakerType;
  /** In the breaker's own unit; absent for VenueStale, which has its window. */
  readonly threshold: number | undefined;
  readonly windowMs: number;
  readonly cooldownMs: number;
  readonly action: BreakerAction;
}

/**
 * What breakers are shown. Figures, not money: floats, so that the same marks give the same trips in a backtest, on paper and live; what is decided on
 * them is whether trading goes on, never an amount.
 */
export type Observation =
  /** The policy's equity, marked to market, and everything that was ever deposited less what was withdrawn; both in the base currency. */
  | { readonly kind: "equity"; readonly equity: number; readonly transfers: number }
  /** A position went back to nothing; `profit` after fees, in the base currency. `scope` is the strategy. */
  | { readonly kind: "roundTrip"; readonly scope: string; readonly profit: number }
  | { readonly kind: "price"; readonly market: string; readonly price: number }
  /** What a venue asks for a transaction now: gwei, or micro-lamports for a compute unit. */
  | { readonly kind: "fee"; readonly account: string; readonly fee: number }
  /** Whether each account's venue answers with prices that are fresh. */
  | { readonly kind: "venues"; readonly fresh: Readonly<Record<string, boolean>> }
  /** An order has ended or begun to work; `rejected`: the venue would not have it. */
  | { readonly kind: "order"; readonly account: string; readonly rejected: boolean }
  /** The price of a market, and that of the second source. */
  | { readonly kind: "reference"; readonly market: string; readonly price: number; readonly reference: number };

/** Plain JSON: it is kept in the journal, so that a restart forgets nothing. */
export type Memory = { readonly [name: string]: unknown };

export interface Instant {
  /** Market time where bars drive the breaker, wall time where the venue does. */
  readonly timeMs: number;
  readonly config: BreakerConfig;
}

/** What one type of breaker measures. Pure: memory in, memory out; nothing is changed in place. */
export interface BreakerKernel<State extends Memory = Memory> {
  readonly type: BreakerType;
  /** The one kind of observation that says something to it. */
  readonly observes: Observation["kind"];
  /** `market`: time stands still with the market, and an accelerated replay cools down faster. */
  readonly clock: "market" | "wall";
  /** Only a person arms it again. */
  readonly manual: boolean;
  readonly start: State;
  /** The memory after an observation; the same object when it says nothing to this breaker. */
  take(memory: State, observation: Observation, instant: Instant): State;
  /** What is measured now; undefined while too little is known. Trips at `limitOf(config)` or above. */
  measure(memory: State, instant: Instant): number | undefined;
  /** A fresh reference, so that what has tripped it once does not trip it again. At a trip (unless `lasting`) and when it is armed again. */
  renew(memory: State, timeMs: number): State;
  /** The measure is a level that stays high while the cause lasts: the cooldown begins when it has fallen, not at the trip. */
  readonly lasting: boolean;
}

export type BreakerPhase = BreakerView["state"];

export interface BreakerState {
  readonly phase: BreakerPhase;
  /** Of the phase, in the breaker's clock. */
  readonly sinceMs: number;
  /** When it may be armed again; undefined while armed, while the level that tripped it lasts, and where only a person can. */
  readonly untilMs: number | undefined;
  /** What it measured last; while it stops trading, the worst it measured since it tripped. */
  readonly value: number | undefined;
  /** How often it has tripped in its life: names its alerts. */
  readonly episode: number;
  readonly memory: Memory;
}

/** Where a breaker trips, in the unit of its measure. */
export function limitOf({ threshold, windowMs }: BreakerConfig): number {
  return threshold ?? windowMs / 1_000;
}

/** Whether it stops what its action says. */
export function isTripped({ phase }: BreakerState): boolean {
  return phase !== "Armed";
}

export function armed(kernel: BreakerKernel, timeMs: number): BreakerState {
  return { phase: "Armed", sinceMs: timeMs, untilMs: undefined, value: undefined, episode: 0, memory: kernel.start };
}

/**
 *            measure ≥ limit                     measure < limit, not manual
 *   Armed ─────────────────► Tripped ────────────────────────────────────► CoolingDown
 *     ▲                         ▲ └── a person's reset ──► Armed                │  │
 *     │                         └────────────── measure ≥ limit ────────────────┘  │
 *     └────────── `cooldown` since the trip (a level: since it fell) ──────────────┘
 *
 * One step, with an observation or only because time has passed.
 */
export function stepBreaker(
  kernel: BreakerKernel,
  { state, observation }: { state: BreakerState; observation: Observation | undefined },
  instant: Instant,
): BreakerState {
  const { timeMs, config } = instant;
  const memory = observation === undefined ? state.memory : kernel.take(state.memory, observation, instant);
  const value = kernel.measure(memory, instant);
  const over = value !== undefined && value >= limitOf(config);
  if (state.phase === "Armed") {
    if (over) return trip(kernel, { ...state, memory, value }, instant);
    return memory === state.memory && value === state.value ? state : { ...state, memory, value };
  }
  const worst = Math.max(state.value ?? 0, value ?? 0);
  const going = { ...state, memory, value: worst };
  if (kernel.manual || (over && kernel.lasting && state.phase === "Tripped")) return going;
  if (over && state.phase === "CoolingDown") return { ...trip(kernel, going, instant), episode: state.episode };
  // A level has only now fallen; an event was over as soon as it had tripped.
  const untilMs = state.untilMs ?? timeMs + config.cooldownMs;
  if (timeMs >= untilMs) return arm(kernel, going, timeMs);
  return state.phase === "CoolingDown" ? going : { ...going, phase: "CoolingDown", sinceMs: timeMs, untilMs };
}

function trip(kernel: BreakerKernel, state: BreakerState, { timeMs, config }: Instant): BreakerState {
  return {
    phase: "Tripped",
    sinceMs: timeMs,
    untilMs: kernel.lasting ? undefined : timeMs + config.cooldownMs,
    value: state.value,
    episode: state.episode + 1,
    memory: kernel.lasting ? state.memory : kernel.renew(state.memory, timeMs),
  };
}

function arm(kernel: BreakerKernel, { episode, memory }: BreakerState, timeMs: number): BreakerState {
  return {
    phase: "Armed",
    sinceMs: timeMs,
    untilMs: undefined,
    value: undefined,
    episode,
    memory: kernel.lasting ? memory : kernel.renew(memory, timeMs),
  };
}

/** A person arms it again, from the present: the loss that tripped it is accepted. The same object when it is armed. */
export function resetBreaker(kernel: BreakerKernel, state: BreakerState, timeMs: number): BreakerState {
  if (state.phase === "Armed") return state;
  return { ...arm(kernel, state, timeMs), memory: kernel.renew(state.memory, timeMs) };
}
