/** A calculation that a text states: `3 x $12 = $36`. */
export interface Equation {
  /** What the left side comes to, and what the text says it does. */
  readonly value: number;
  readonly stated: number;
  readonly operands: readonly number[];
  readonly holds: boolean;
}

/** Longer texts are read up to here: a check must not cost more than the call it may save. */
const MAX_LENGTH = 20_000;
/** Answers round: half a cent, or a percent of the value. */
const ABSOLUTE_TOLERANCE = 0.006;
const RELATIVE_TOLERANCE = 0.011;

/** `1,000` → `1000`; thin marks of typography as ASCII. */
function plain(text: string): string {
  return text
    .slice(0, MAX_LENGTH)
    .replaceAll(/(\d),(?=\d{3}\b)/g, "$1")
    .replaceAll("\u2212", "-")
    .replaceAll(/[×✕∙·]/g, "*")
    .replaceAll("÷", "/");
}

/** Numbers of a text as they stand, signs left out. */
export function numbersIn(text: string): number[] {
  return Array.from(plain(text).matchAll(/\d+(?:\.\d+)?|\.\d+/g), ([number]) => Number(number));
}

/** Calculations of a text. What cannot be read as one is left out: prose is not wrong arithmetic. */
export function equationsIn(text: string): Equation[] {
  const readable = plain(text)
    .replaceAll(/[$€£¥\\]/g, "")
    // `12*3=<<12*3=36>>36`: the annotation says the same as the text around it.
    .replaceAll("<<", " ")
    .replaceAll(/>>\s*-?[\d.]*\d/g, " ; ")
    .replaceAll(/(\d|\))\s*[xX]\s*(?=\d|\()/g, "$1 * ")
    // `3 hours * 60 mph` reckons with 3 and 60.
    .replaceAll(/(\d)\s+[a-zA-Z]+(?:\/[a-zA-Z]+)?(?=\s*[*/+\-=])/g, "$1");
  return readable.split(/[\n;,:]|\. /).flatMap((clause) => {
    const sides = clause.split("=");
    return sides.slice(1).flatMap((right, index) => equation(sides[index] ?? "", right));
  });
}

function equation(leftText: string, rightText: string): Equation[] {
  const left = /[-+*/().\d\s%]+$/.exec(leftText)?.[0].trim() ?? "";
  const right = /^[-+*/().\d\s%]*\d[)%]?/.exec(rightText)?.[0].trim() ?? "";
  // A single number on the left names something, it calculates nothing.
  if (!/[-+*/]/.test(left.slice(1))) return [];
  const [value, stated] = [evaluate(left), evaluate(right)];
  if (value === undefined || stated === undefined) return [];
  return [{ value, stated, operands: numbersIn(left), holds: agrees(value, stated) }];
}

function agrees(value: number, stated: number): boolean {
  const near = (one: number, other: number): boolean =>
    Math.abs(one - other) <= Math.max(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * Math.abs(one));
  // `12 / 20 = 60` with the percent sign behind, or 60% written as 0.6.
  return (
    near(value, stated) ||
    Math.abs(100 * value - stated) < ABSOLUTE_TOLERANCE ||
    Math.abs(value - 100 * stated) < ABSOLUTE_TOLERANCE
  );
}

/** Deeper nesting is no calculation that an answer shows. */
const MAX_DEPTH = 20;

/** The value of `+ - * / ( ) %` and numbers; undefined for anything else. A percent sign divides by a hundred. */
export function evaluate(expression: string): number | undefined {
  const tokens = expression.match(/\d+(?:\.\d+)?|\.\d+|[-+*/()%]/g) ?? [];
  if (tokens.join("") !== expression.replaceAll(/\s/g, "")) return undefined;
  const reader = { tokens, at: 0 };
  const value = sumOf(reader, 0);
  return reader.at === tokens.length && value !== undefined && Number.isFinite(value) ? value : undefined;
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
}

function sumOf(reader: Reader, depth: number): number | undefined {
  let value = productOf(reader, depth);
  for (
    let sign = reader.tokens[reader.at];
    value !== undefined && (sign === "+" || sign === "-");
    sign = reader.tokens[reader.at]
  ) {
    reader.at += 1;
    const next = productOf(reader, depth);
    value = next === undefined ? undefined : sign === "+" ? value + next : value - next;
  }
  return value;
}

function productOf(reader: Reader, depth: number): number | undefined {
  let value = factorOf(reader, depth);
  for (
    let sign = reader.tokens[reader.at];
    value !== undefined && (sign === "*" || sign === "/" || sign === "(");
    sign = reader.tokens[reader.at]
  ) {
    if (sign !== "(") reader.at += 1;
    const next = factorOf(reader, depth);
    value = next === undefined ? undefined : sign === "/" ? value / next : value * next;
  }
  return value;
}

function factorOf(reader: Reader, depth: number): number | undefined {
  const token = reader.tokens[reader.at];
  if (token === undefined || depth > MAX_DEPTH) return undefined;
  reader.at += 1;
  if (token === "-") {
    const value = factorOf(reader, depth + 1);
    return value === undefined ? undefined : -value;
  }
  let value: number | undefined = Number(token);
  if (token === "(") {
    value = sumOf(reader, depth + 1);
    if (reader.tokens[reader.at] !== ")") return undefined;
    reader.at += 1;
  } else if (Number.isNaN(value)) return undefined;
  if (value !== undefined && reader.tokens[reader.at] === "%") {
    reader.at += 1;
    return value / 100;
  }
  return value;
}
