/**
 * Numbers in [0, 1) for one decision: FNV-1a of seed and decision time starts a Mulberry32 (both public domain). A decision
 * asked again after a restart draws the same ones.
 */
export function decisionRandom(seed: number, decisionTime: number): () => number {
  let state = fnv1a(`${seed}/${decisionTime}`);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
