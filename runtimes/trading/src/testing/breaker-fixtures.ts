import { armed, stepBreaker, type BreakerConfig, type BreakerState, type Observation } from "../breakers/breaker.ts";
import { kernelOf } from "../breakers/breaker-set.ts";

export const minuteMs = 60_000;

/** Minutes since the begin, and what is seen then; nothing: only time passes. */
export type Look = readonly [minute: number, observation?: Observation];

/** The states of one breaker over a sequence of looks. Memories travel through JSON, as they do through the journal. */
export function statesOver(config: BreakerConfig, looks: readonly Look[]): BreakerState[] {
  const kernel = kernelOf(config.type);
  let state = armed(kernel, 0);
  return looks.map(([minute, observation]) => {
    state = stepBreaker(kernel, { state, observation }, { timeMs: minute * minuteMs, config });
    state = { ...state, memory: JSON.parse(JSON.stringify(state.memory)) as BreakerState["memory"] };
    return state;
  });
}

/** `Armed 0.02`: phase and measure, six digits. */
export function summaries(config: BreakerConfig, looks: readonly Look[]): string[] {
  return statesOver(config, looks).map(({ phase, value }) => `${phase} ${value === undefined ? "-" : Number(value.toFixed(6))}`);
}
