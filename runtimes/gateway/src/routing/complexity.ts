/** What makes a question hard for a small model, counted. */
export interface ComplexityFeatures {
  /** Natural logarithm of its length in characters. */
  readonly logLength: number;
  /** Things set against each other: more, fewer, older, as many as. */
  readonly comparisons: number;
  /** Parts: 2/3, half, a quarter. */
  readonly fractions: number;
  /** Times, twice, double. */
  readonly multiples: number;
  /** What is left, what came before: a state that changes. */
  readonly changes: number;
  /** One after the other, one apart from the others: next, another, except, without. */
  readonly exceptions: number;
  readonly commas: number;
}

/** Longer texts say no more about how hard the question is, only how much is to be read. */
const MAX_LENGTH = 20_000;
const MOST_OF_ONE = 8;

const COMPARISON =
  /\b(?:more|less|fewer|than|older|younger|faster|slower|longer|shorter|higher|lower|larger|smaller|taller|heavier|as (?:many|much|old|long))\b/gi;
const FRACTION = /\b\d+\/\d+\b|\b(?:half|halves|thirds?|quarters?|fourth|fifths?|fraction)\b/gi;
const MULTIPLE = /\b(?:times|twice|double|triple|thrice)\b/gi;
const CHANGE = /\b(?:remaining|left|rest|remainder|still|after|before|then|instead|originally|initially)\b/gi;
const EXCEPTION =
  /\b(?:until|while|first|second|third|next|last|another|others?|same|only|both|except|but|not|no|without|unless|however|also)\b/gi;

const count = (text: string, what: RegExp): number => Math.min(MOST_OF_ONE, text.match(what)?.length ?? 0);

/** Counts what the score is made of. */
export function complexityFeatures(question: string): ComplexityFeatures {
  const text = question.slice(0, MAX_LENGTH);
  return {
    logLength: Math.log(1 + text.length),
    comparisons: count(text, COMPARISON),
    fractions: count(text, FRACTION),
    multiples: count(text, MULTIPLE),
    changes: count(text, CHANGE),
    exceptions: count(text, EXCEPTION),
    commas: count(text, /,/g),
  };
}

/**
 * Logistic weights, fitted on the even rows of the GSM8K outcomes (does the small model get it wrong?) by test/bench/routing, which prints
 * what they are worth on the odd ones. The middle is the median of the even rows: half of such questions are above 0.5.
 */
const WEIGHTS: ComplexityFeatures = {
  logLength: 0.5428,
  comparisons: 0.083,
  fractions: 0.0528,
  // Fitted, not meant: with parts and comparisons counted, "twice as many" is the easier sort of question.
  multiples: -0.1688,
  changes: 0.259,
  exceptions: 0.0724,
  commas: 0.0881,
};
const MIDDLE = 3.2103;

/** How hard a question is, 0 to 1; about half of the word problems of a school book are above 0.5. Longer, with more comparisons and turns: harder. */
export function complexityOf(question: string): number {
  const features = complexityFeatures(question);
  const sum = Object.entries<number>({ ...WEIGHTS }).reduce(
    (total, [name, weight]) => total + weight * features[name as keyof ComplexityFeatures],
    0,
  );
  return 1 / (1 + Math.exp(MIDDLE - sum));
}
