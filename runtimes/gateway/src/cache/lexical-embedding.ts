import type { Meaning } from "./meaning.ts";

/** Length of a built-in embedding. */
export const LEXICAL_DIMENSIONS = 512;

/**
 * An embedding without a model: each fact of a question goes to a place and a sign by its hash (feature hashing; Weinberger et al. 2009), and
 * the whole is brought to length 1. Questions of the same facts are equal, whatever their wording and order; one different fact in ten
 * leaves about 0.9. Good enough to find what the gate then judges, and there when no embedding model is configured.
 */
export function lexicalEmbedding({ facts }: Meaning): Float32Array {
  const vector = new Float32Array(LEXICAL_DIMENSIONS);
  const counts = new Map<string, number>();
  for (const { text } of facts) counts.set(text, (counts.get(text) ?? 0) + 1);
  for (const [text, count] of counts) {
    const hash = fnv1a(text);
    const place = hash % LEXICAL_DIMENSIONS;
    vector[place] = (vector[place] ?? 0) + (hash & 0x8000_0000 ? -1 : 1) * Math.sqrt(count);
  }
  return normalised(vector);
}

/** FNV-1a, 32 bits (Fowler, Noll, Vo). */
function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return hash >>> 0;
}

/** The vector at length 1; one of nothing stays so. */
export function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

/** Cosine of two vectors of length 1, −1 to 1. Of different lengths they are of different models, and nothing alike. */
export function similarity(left: Float32Array, right: Float32Array): number {
  if (left.length !== right.length) return 0;
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += (left[index] ?? 0) * (right[index] ?? 0);
  return sum;
}
