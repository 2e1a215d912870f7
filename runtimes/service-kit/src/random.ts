import { randomFillSync } from "node:crypto";

/** A source of uniform numbers in [0, 1): passed in, so that a run can be repeated from its seed. */
export interface Random {
  next(): number;
}

const twoTo32 = 4_294_967_296;

export const systemRandom: Random = {
  next() {
    return (randomFillSync(new Uint32Array(1))[0] ?? 0) / twoTo32;
  },
};

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, enough for jitter and test histories, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / twoTo32;
    },
  };
}
