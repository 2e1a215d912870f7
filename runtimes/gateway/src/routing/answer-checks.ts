import { z } from "zod";
import { type Equation, equationsIn, numbersIn } from "./arithmetic.ts";
import { type ComplexityFeatures, complexityFeatures } from "./complexity.ts";

/** What can be told from an answer without another model. */
export interface AnswerFindings {
  /** It ends in the middle: a sign that wants a number, a bracket that is open. 0 or 1. */
  readonly brokenOff: number;
  /** Calculations that do not come out, at most 2. */
  readonly wrongArithmetic: number;
  /** Numbers of the question that the answer never touches, at most 3. */
  readonly unusedNumbers: number;
  /** The last number it states is not what it calculated last. 0 or 1. */
  readonly strayResult: number;
  /** A fraction of a thing that is counted, or of a cent. 0 or 1. */
  readonly wrongUnit: number;
  /** Words that take back what was said: however, assume, rounded. At most 4. */
  readonly hedges: number;
}

export interface CheckedAnswer {
  readonly question: string;
  readonly answer: string;
  readonly finishReason: string;
  /** Of `response_format`, when a form was asked for: a JSON schema, or `true` for any JSON. */
  readonly schema?: Readonly<Record<string, unknown>> | true | undefined;
}

/** Whether a small model's answer may stand. */
export type AnswerVerdict =
  | { readonly holds: true; readonly doubt: number }
  | { readonly holds: false; readonly doubt: number; readonly reason: "CUT_OFF" | "EMPTY" | "NOT_JSON" | "NOT_OF_SCHEMA" }
  | { readonly holds: false; readonly doubt: number; readonly reason: "DOUBTFUL"; readonly findings: AnswerFindings };

const HEDGE =
  /\b(?:however|but|assum\w*|since we|let's|actually|not possible|cannot|can't|unclear|doesn't|approximately|rounded|closest|instead)\b|≈/gi;
const COUNTED =
  /how many (?!hours|minutes|miles|kilomet|meters|feet|pounds|percent|dollars|gallons|lit(?:er|re)s|inches|kilograms|grams|ounces|cups)/i;
const ASKS_NUMBER =
  /\b(?:how (?:many|much|long|far|old|fast|tall|high)|what (?:percent|fraction|is the (?:total|average|number|sum|price|cost))|calculate|compute|total)\b/i;

/** The findings on a question that asks for a number. */
export function findingsOf({ question, answer }: Pick<CheckedAnswer, "question" | "answer">): AnswerFindings {
  const equations = equationsIn(answer);
  const stated = numbersIn(answer.trim().split(/\n+/).at(-1) ?? "").at(-1);
  const used = new Set([...numbersIn(answer), ...equations.flatMap(({ operands }) => operands)]);
  const unused = [...new Set(numbersIn(question))].filter((number) => !used.has(number));
  return {
    brokenOff: endsOpen(answer) ? 1 : 0,
    wrongArithmetic: Math.min(2, equations.filter(({ holds }) => !holds).length),
    unusedNumbers: Math.min(3, unused.length),
    strayResult: isStray(stated, equations) ? 1 : 0,
    wrongUnit: stated !== undefined && isPart(question, stated) ? 1 : 0,
    hedges: Math.min(4, answer.match(HEDGE)?.length ?? 0),
  };
}

function endsOpen(answer: string): boolean {
  const text = answer.trim();
  const count = (mark: string): number => text.split(mark).length - 1;
  return /[-+*/=(,<]$/.test(text) || count("<<") !== count(">>") || count("```") % 2 === 1 || count("(") > count(")");
}

function isStray(stated: number | undefined, equations: readonly Equation[]): boolean {
  const last = equations.at(-1);
  if (stated === undefined || last === undefined) return true;
  return Math.abs(last.stated - stated) >= 0.02 * (1 + Math.abs(stated));
}

function isPart(question: string, stated: number): boolean {
  if (COUNTED.test(question)) return !Number.isInteger(stated);
  return Math.abs(100 * stated - Math.round(100 * stated)) > 1e-6;
}

/** Logistic weights, fitted on the same rows as those of the complexity; the middle is the threshold that closed 80 % of the gap in quality there. */
const WEIGHTS: AnswerFindings & ComplexityFeatures = {
  brokenOff: 2.027,
  wrongArithmetic: 1.6069,
  unusedNumbers: 0.5759,
  strayResult: 0.9455,
  wrongUnit: 2.1099,
  hedges: 0.3736,
  logLength: 0.2964,
  comparisons: 0.119,
  fractions: 0.0002,
  multiples: -0.0744,
  changes: 0.2358,
  exceptions: 0.1048,
  commas: 0.0476,
};
const MIDDLE = 2.3096;

/** How doubtful an answer to a question for a number is, 0 to 1: from 0.5 on it should be asked again. */
export function doubtOf(question: string, answer: string): number {
  const features = { ...findingsOf({ question, answer }), ...complexityFeatures(question) };
  const sum = Object.entries<number>({ ...WEIGHTS }).reduce(
    (total, [name, weight]) => total + weight * features[name as keyof typeof features],
    0,
  );
  return 1 / (1 + Math.exp(MIDDLE - sum));
}

/**
 * The deterministic checks of a cascade: what does not hold goes to the large model. Form first (an answer that was cut off, is empty, is not of
 * the schema asked for is worth nothing, whatever it says), then, for questions that ask for a number, arithmetic, units and the numbers used.
 *
 * @param doubtFrom from which doubt (0–1) on an answer does not stand
 */
export function checkAnswer(checked: CheckedAnswer, doubtFrom = 0.5): AnswerVerdict {
  if (checked.answer.trim() === "") return { holds: false, doubt: 1, reason: "EMPTY" };
  if (checked.finishReason === "length") return { holds: false, doubt: 1, reason: "CUT_OFF" };
  if (checked.schema !== undefined) return checkForm(checked.answer, checked.schema);
  if (!asksForNumber(checked.question)) return { holds: true, doubt: 0 };
  const doubt = doubtOf(checked.question, checked.answer);
  return doubt < doubtFrom ? { holds: true, doubt } : { holds: false, doubt, reason: "DOUBTFUL", findings: findingsOf(checked) };
}

/** Two numbers to reckon with and a question for a third. */
function asksForNumber(question: string): boolean {
  return ASKS_NUMBER.test(question) && numbersIn(question).length >= 2;
}

function checkForm(answer: string, schema: Readonly<Record<string, unknown>> | true): AnswerVerdict {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch {
    // The verdict is what becomes of it.
    return { holds: false, doubt: 1, reason: "NOT_JSON" };
  }
  if (schema === true || matches(value, schema)) return { holds: true, doubt: 0 };
  return { holds: false, doubt: 1, reason: "NOT_OF_SCHEMA" };
}

function matches(value: unknown, schema: Readonly<Record<string, unknown>>): boolean {
  let reader: z.ZodType;
  try {
    reader = z.fromJSONSchema(schema);
  } catch {
    // A schema that cannot be read proves nothing against the answer: its provider took it.
    return true;
  }
  return reader.safeParse(value).success;
}
