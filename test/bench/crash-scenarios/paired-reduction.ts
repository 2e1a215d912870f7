import type { Random } from "@bellwether/service-kit/random";

/** Catastrophes of one path, all programs together, without and with protection. */
export interface PathPair {
  readonly unprotected: number;
  readonly protected: number;
}

export interface Reduction {
  readonly unprotected: number;
  readonly protected: number;
  /** 1 − protected ÷ unprotected. */
  readonly ratio: number;
  /** One-sided: in 95 of 100 repetitions the true reduction is above it. */
  readonly lowerBound: number;
}

const RESAMPLES = 10_000;
const TAIL = 0.05;

/**
 * The part of the catastrophes that protection has taken away, with its lower 95 % bound: the percentile bootstrap over paths, the programs of a path staying
 * together, because one crash hits all of them. Where no protected path had one, resampling says nothing; then the exact bound for 0 of the n paths that had
 * one without protection, 0.05^(1/n), is what is left.
 */
export function pairedReduction(pairs: readonly PathPair[], random: Random): Reduction {
  const [without, withIt] = [sum(pairs, "unprotected"), sum(pairs, "protected")];
  const ratio = reductionOf(without, withIt);
  if (withIt === 0) {
    const struck = pairs.filter((pair) => pair.unprotected > 0).length;
    return { unprotected: without, protected: 0, ratio, lowerBound: struck === 0 ? 0 : TAIL ** (1 / struck) };
  }
  const ratios = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    let [left, right] = [0, 0];
    for (let draw = 0; draw < pairs.length; draw++) {
      const pair = pairs[Math.floor(random.next() * pairs.length)];
      left += pair?.unprotected ?? 0;
      right += pair?.protected ?? 0;
    }
    ratios[resample] = reductionOf(left, right);
  }
  ratios.sort();
  return { unprotected: without, protected: withIt, ratio, lowerBound: ratios[Math.floor(RESAMPLES * TAIL)] ?? 0 };
}

function reductionOf(without: number, withIt: number): number {
  return without === 0 ? 0 : 1 - withIt / without;
}

function sum(pairs: readonly PathPair[], arm: keyof PathPair): number {
  return pairs.reduce((total, pair) => total + pair[arm], 0);
}
