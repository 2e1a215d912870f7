import type { Fact, FactKind, Meaning } from "./meaning.ts";

/** Whether an answer to one question may be given to another, or what stands against it, with both sides' words. */
export type Reuse =
  | { readonly safe: true }
  | {
      readonly safe: false;
      readonly reason:
        | "ENTITIES_DIFFER"
        | "NUMBERS_DIFFER"
        | "DATES_DIFFER"
        | "SIDES_DIFFER"
        | "POLARITY_DIFFERS"
        | "WORDS_DIFFER"
        | "ORDER_DIFFERS";
      readonly left: string;
      readonly right: string;
    };

const reasons = {
  entity: "ENTITIES_DIFFER",
  number: "NUMBERS_DIFFER",
  date: "DATES_DIFFER",
  side: "SIDES_DIFFER",
  polarity: "POLARITY_DIFFERS",
  word: "WORDS_DIFFER",
} as const;
const kinds: readonly FactKind[] = ["polarity", "side", "number", "date", "entity", "word"];

const textOf = (facts: readonly Fact[], kind?: FactKind): string =>
  facts
    .filter((fact) => kind === undefined || fact.kind === kind)
    .map(({ text }) => text)
    .join(" ");

const sorted = (facts: readonly Fact[]): readonly string[] => facts.map(({ text }) => text).toSorted();

/**
 * The gate before every semantic hit. Similarity alone proves nothing: "buy BTC" and "sell BTC", 5 % and 50 %, March and May, with a "not" or
 * without, are as near to one another as any paraphrase. Here the questions must consist of the same facts, in the same order where order
 * can matter; a word that is not known to mean the same is taken to mean something else.
 */
export function mayReuse(left: Meaning, right: Meaning): Reuse {
  const [ours, theirs] = [sorted(left.facts), sorted(right.facts)];
  const same = ours.length === theirs.length && ours.every((text, index) => text === theirs[index]);
  if (!same) {
    for (const kind of kinds) {
      const [a, b] = [left, right].map(({ facts }) => textOf(facts, kind));
      if (a !== undefined && b !== undefined && a !== b && differ(left, right, kind))
        return { safe: false, reason: reasons[kind], left: a, right: b };
    }
    return { safe: false, reason: "WORDS_DIFFER", left: textOf(left.facts), right: textOf(right.facts) };
  }
  const inOrder = left.facts.every(({ text }, index) => text === right.facts[index]?.text);
  if (inOrder || (!left.ordered && !right.ordered)) return { safe: true };
  return { safe: false, reason: "ORDER_DIFFERS", left: textOf(left.facts), right: textOf(right.facts) };
}

function differ(left: Meaning, right: Meaning, kind: FactKind): boolean {
  const [a, b] = [left, right].map(({ facts }) => sorted(facts.filter((fact) => fact.kind === kind)).join(" "));
  return a !== b;
}
