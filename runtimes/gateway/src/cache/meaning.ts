import { normaliseText } from "./exact-key.ts";
import {
  ASKED_OF_YOU,
  ASKING,
  CANONICAL,
  CONTRACTIONS,
  DATE_WORDS,
  MULTIPLIERS,
  NEGATIONS,
  NOT_PLURAL,
  NUMBER_WORDS,
  ORDER_FREE,
  PHRASES_BY_FIRST,
  SIDES,
  SILENT,
  SILENT_BEFORE_WORDS,
  TELLING,
  TIMED,
  UNITS,
} from "./lexicon.ts";

/** What sort of fact a token is; decides what a refusal is called, never whether it is one. */
export type FactKind = "number" | "date" | "entity" | "side" | "polarity" | "word";

export interface Fact {
  readonly kind: FactKind;
  /** Canonical, so that equal texts are equal facts. */
  readonly text: string;
}

/** A question without its wording. */
export interface Meaning {
  readonly facts: readonly Fact[];
  /** True: the order of the facts is part of it. "BTC against ETH" is not "ETH against BTC". */
  readonly ordered: boolean;
}

/** Longer questions are answered from the exact cache only: what is compared here grows with the text, and so does what may hide in it. */
export const MAX_MEANING_LENGTH = 8_000;

const MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december";
const MONTH_NAMES = MONTHS.split("|");
const MONTH = `(?:${MONTHS}|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec)\\.?`;
const DAY = "(\\d{1,2})(?:st|nd|rd|th)?";

interface Raw {
  readonly sort: "exact" | "date" | "number" | "word" | "symbol" | "break" | "comma" | "mood";
  readonly text: string;
  /** Followed by the next one without a blank: `5%`, `$5`, `BTC/USDT`. */
  readonly glued: boolean;
}

const pattern = new RegExp(
  [
    // Addresses, links, hashes, ids: letter by letter.
    "(?<exact>https?://\\S+|[\\w.+-]+@[\\w-]+\\.[\\w.]+|0x[0-9a-fA-F]+|[A-Za-z0-9]{25,}|\\w+_\\w+|\\p{L}+\\d[\\p{L}\\d]*)",
    `(?<iso>\\d{4}-\\d{2}-\\d{2})(?<isoTime>[T ]\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d+)?)?(?:Z|[+-]\\d{2}:?\\d{2})?)?`,
    `(?<dayFirst>\\b${DAY} (?:of )?(${MONTH}),? (\\d{4})\\b)`,
    `(?<monthFirst>\\b(${MONTH}) ${DAY},? (\\d{4})\\b)`,
    "(?<literal>\\d+(?:[/.:]\\d+){2,}|\\d+/\\d+|\\d{1,2}:\\d{2}(?::\\d{2})?)",
    "(?<number>(?<![\\w.])[+-]?(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?(?:,\\d+)*|(?<![\\w.])[+-]?\\.\\d+)",
    "(?<digits>\\d+(?:\\.\\d+)?)",
    "(?<word>[\\p{L}\\p{M}]+(?:'[\\p{L}]+)*)",
    "(?<break>[.;!?]+(?=\\s|$|[\"')\\]])|\\n\\s*\\n)",
    "(?<comma>,)",
    "(?<symbol>[^\\s\\p{L}\\p{N}])",
  ].join("|"),
  "giu",
);

/** Layout: marks of Markdown, quotes and brackets. Signs that reckon, compare or name a currency are not among them. */
const LAYOUT = /^["'`“”‘’„«»()[\]{}:…•]$/u;
/** A bullet, a quote or a heading, where a letter follows: in front of a number it may be a sign. */
const LINE_MARK = /^(?:[ \t]*(?:[-*•>]|#{1,6})[ \t]+)+(?=["'*_\p{L}])/u;
const EMPHASIS = /(\*\*|__|~~|\*|`+)(?=\S)([^*_~`\n]+?)(?<=\S)\1/gu;

/** Reads a question. Undefined: it is too long, or empty. */
export function meaningOf(text: string): Meaning | undefined {
  const plain = normaliseText(text);
  if (plain.length === 0 || plain.length > MAX_MEANING_LENGTH) return undefined;
  const raws = tokens(unwrapped(plain));
  const expanded = phrased(contracted(raws));
  const facts = factsOf(expanded);
  return facts.length === 0 ? undefined : { facts, ordered: isOrdered(facts) };
}

function unwrapped(text: string): string {
  return canonicalJson(text)
    .replaceAll(/[\u2018\u2019\u02bc]/g, "'")
    .replaceAll(/[\u2010-\u2012\u2212]/g, "-")
    .replaceAll(/[\u00a0\u202f]/g, " ")
    .split(/\n\s*\n/)
    .map((paragraph) => withoutMarks(paragraph.split("\n")).join(" "))
    .join("\n\n")
    .replaceAll(/[ \t]+/g, " ")
    .replaceAll(EMPHASIS, "$2");
}

/** Lines of a list or a quote without their marks. Only where every line has one, or all after a line that announces them: elsewhere `-` and `>` reckon and compare. */
function withoutMarks(lines: readonly string[]): readonly string[] {
  const announced = lines.length > 1 && (lines[0] ?? "").trimEnd().endsWith(":");
  const marked = announced ? lines.slice(1) : lines;
  // The first line of a paragraph has nothing before it that could be compared with what follows.
  if (!marked.every((line) => LINE_MARK.test(line)))
    return lines.map((line, index) => (index === 0 ? line.replace(LINE_MARK, "") : line));
  return [...lines.slice(0, lines.length - marked.length), ...marked.map((line) => line.replace(LINE_MARK, ""))];
}

/** A text that is one JSON value, with its keys in order: formatting and order of keys are no meaning. */
function canonicalJson(text: string): string {
  if (!/^[{[][\s\S]*[}\]]$/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), (_key, value: unknown) =>
      value !== null && typeof value === "object" && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)))
        : value,
    );
  } catch {
    // It only looks like JSON: then it is a text.
    return text;
  }
}

function tokens(text: string): Raw[] {
  const found: Raw[] = [];
  for (const match of text.matchAll(pattern)) {
    const { groups = {}, index } = match;
    const end = index + match[0].length;
    const glued = end < text.length && !/\s/.test(text[end] ?? " ");
    const add = (sort: Raw["sort"], value: string): void => void found.push({ sort, text: value, glued });
    if (groups["exact"] !== undefined) add("exact", match[0]);
    else if (groups["iso"] !== undefined) add("date", `${groups["iso"]}${(groups["isoTime"] ?? "").replace(" ", "T")}`);
    else if (groups["dayFirst"] !== undefined || groups["monthFirst"] !== undefined) add("date", writtenDate(match[0]));
    else if (groups["literal"] !== undefined) add("date", match[0]);
    else if (groups["number"] !== undefined || groups["digits"] !== undefined) add("number", match[0]);
    else if (groups["word"] !== undefined) add("word", match[0]);
    else if (groups["break"] !== undefined) add("break", match[0].includes("?") ? "?" : ".");
    else if (groups["comma"] !== undefined) add("comma", ",");
    else add("symbol", match[0]);
  }
  return found;
}

/** "5 January 2024", "Jan 5th, 2024" → "2024-01-05". */
function writtenDate(text: string): string {
  const month = /[a-z]{3,}/i.exec(text.replace(/\bof\b/i, ""))?.[0].toLowerCase() ?? "";
  const number = MONTH_NAMES.findIndex((name) => name.startsWith(month.slice(0, 3))) + 1;
  const [first = "", second = ""] = text.match(/\d+/g) ?? [];
  const [day, year] = first.length === 4 ? [second, first] : [first, second];
  return `${year}-${String(number).padStart(2, "0")}-${day.padStart(2, "0")}`;
}

/** "don't" → "do not", "BTC's" → "BTC". */
function contracted(raws: readonly Raw[]): Raw[] {
  return raws.flatMap((raw) => {
    if (raw.sort !== "word" || !/'|^cannot$/i.test(raw.text)) return [raw];
    const lower = raw.text.toLowerCase();
    const undone =
      CONTRACTIONS.get(lower) ??
      lower
        .replace(/n't$/, " not")
        .replace(/'re$/, " are")
        .replace(/'ve$/, " have")
        .replace(/'ll$/, " will")
        .replace(/'d$/, " would");
    if (undone !== lower || CONTRACTIONS.has(lower)) return undone.split(" ").map((text) => ({ ...raw, text }));
    // "what's" is "what is"; "BTC's" is BTC, of which something is asked.
    if (!/'s$/i.test(raw.text)) return [raw];
    const stem = raw.text.replace(/'s$/i, "");
    return ASKING.has(stem.toLowerCase()) || /^(it|that|there|here)$/i.test(stem)
      ? [
          { ...raw, text: stem },
          { ...raw, text: "is" },
        ]
      : [{ ...raw, text: stem }];
  });
}

/**
 * A word that is written as a ticker is one, whatever its letters mean otherwise: NOW, ALL, ON and IT are listed. Only assets that the lexicon
 * knows may be written in small letters, too.
 */
const isTicker = (text: string): boolean => text.length > 1 && /^[A-Z]+$/.test(text);

function phrased(raws: readonly Raw[]): Raw[] {
  const out: Raw[] = [];
  const spoken = (raw: Raw | undefined): string | undefined =>
    raw?.sort === "word" && !isTicker(raw.text) ? raw.text.toLowerCase() : undefined;
  for (let index = 0; index < raws.length;) {
    const first = spoken(raws[index]);
    const phrase = (first === undefined ? [] : (PHRASES_BY_FIRST.get(first) ?? [])).find(({ from }) =>
      from.every((word, offset) => spoken(raws[index + offset]) === word),
    );
    const raw = raws[index];
    if (phrase !== undefined) {
      out.push(
        ...phrase.to.map((text): Raw =>
          text === "?" ? { sort: "mood", text, glued: false } : { sort: "word", text, glued: false },
        ),
      );
      index += phrase.from.length;
    } else {
      if (raw !== undefined) out.push(raw);
      index += 1;
    }
  }
  return out;
}

/** Facts of one sentence after the other; each says once whether it asks. */
function factsOf(raws: readonly Raw[]): Fact[] {
  const negated = raws.some((raw) => raw.sort === "word" && NEGATIONS.has(raw.text.toLowerCase()));
  const sentences = split(raws)
    .map(({ words, asks }) => {
      const facts = compared(sentenceFacts(words, negated));
      const asking = asks || asksByItself(facts);
      return { facts: withoutNow(facts, asking), asking };
    })
    .filter(({ facts }) => facts.length > 0);
  return sentences.flatMap(({ facts, asking }, index) => [
    ...facts,
    ...(asking ? [{ kind: "word", text: "?" } as const] : []),
    // Where a negation stands, it matters what it can reach.
    ...(negated && index < sentences.length - 1 ? [{ kind: "polarity", text: "." } as const] : []),
  ]);
}

/** What is asked in the present is asked about now. Whether to act now is another question than whether to act. */
function withoutNow(facts: readonly Fact[], asks: boolean): readonly Fact[] {
  const timed = facts.some(({ kind, text }) => TIMED.has(text) || (kind === "date" && text !== "now"));
  return asks && !timed ? facts.filter(({ text }) => text !== "now") : facts;
}

/** Things compared "with", "to" or "against" one another are compared. */
function compared(facts: readonly Fact[]): readonly Fact[] {
  if (!facts.some(({ text }) => text === "compare")) return facts;
  return facts.map((fact) => (["with", "to", "against"].includes(fact.text) ? { kind: "word", text: "and" } : fact));
}

/** "BTC price today" is a question, too. */
const asksByItself = (facts: readonly Fact[]): boolean =>
  facts.some(({ kind }) => kind === "entity") &&
  facts.some(({ text }) => ORDER_FREE.has(text)) &&
  facts.every(({ kind, text }) => kind === "entity" || kind === "number" || (ORDER_FREE.has(text) && text !== "should"));

interface Sentence {
  readonly words: readonly Raw[];
  readonly asks: boolean;
}

function split(raws: readonly Raw[]): Sentence[] {
  const sentences: Sentence[] = [];
  let words: Raw[] = [];
  let marked = false;
  const close = (): void => {
    const spoken = words.filter(({ sort }) => sort === "word").map(({ text }) => text.toLowerCase());
    const { courtesy, tells } = telling(spoken);
    const [first, second] = spoken;
    // "Do not buy" orders; "do you buy" asks.
    const asks = marked || tells || (first !== undefined && ASKING.has(first) && !(first === "do" && second === "not"));
    const said =
      tells && courtesy > 0 ? words.slice(words.findIndex(({ text }) => text.toLowerCase() === spoken[courtesy])) : words;
    if (words.length > 0) sentences.push({ words: said, asks });
    [words, marked] = [[], false];
  };
  for (const raw of raws) {
    if (raw.sort === "mood") marked = true;
    else if (raw.sort !== "break") words.push(raw);
    else {
      marked ||= raw.text === "?";
      close();
    }
  }
  close();
  return sentences;
}

/** Whether a sentence only wants to be told something, and after how many words of courtesy. */
function telling(spoken: readonly string[]): { courtesy: number; tells: boolean } {
  const asked = ASKED_OF_YOU.has(spoken[0] ?? "") && spoken[1] === "you" ? 2 : 0;
  const courtesy = asked + (["please", "kindly"].includes(spoken[asked] ?? "") ? 1 : 0);
  const verb = spoken[courtesy] ?? "";
  return { courtesy, tells: TELLING.has(CANONICAL.get(verb) ?? verb) };
}

function sentenceFacts(raws: readonly Raw[], negated: boolean): Fact[] {
  const facts: Fact[] = [];
  for (let index = 0; index < raws.length; index++) {
    const raw = raws[index];
    if (raw === undefined) continue;
    const next = raws[index + 1];
    switch (raw.sort) {
      case "exact":
        facts.push({ kind: "entity", text: `=${raw.text}` });
        break;
      case "date":
        facts.push({ kind: "date", text: raw.text.toLowerCase() });
        break;
      case "number": {
        const { fact, used } = numberFact(raws, index);
        facts.push(fact);
        index += used;
        break;
      }
      case "comma":
        if (negated) facts.push({ kind: "polarity", text: "," });
        break;
      case "symbol":
        facts.push(...symbolFacts(raw, next));
        break;
      case "word":
        facts.push(...wordFacts(raw, next));
        break;
      case "break":
      case "mood":
        break;
    }
  }
  return facts;
}

const CURRENCY_SIGNS: ReadonlySet<string> = new Set(["$", "€", "£", "¥"]);

function symbolFacts(raw: Raw, next: Raw | undefined): Fact[] {
  if (LAYOUT.test(raw.text)) return [];
  // The currency in front of an amount is its unit: numberFact looks back for it.
  if (CURRENCY_SIGNS.has(raw.text) && raw.glued && next?.sort === "number") return [];
  if (raw.text === "$" && raw.glued && next?.sort === "word") return [];
  return [{ kind: "word", text: raw.text }];
}

/** The number, its multiplier and its unit in one fact: "5 hours" and "5 minutes" share nothing. */
function numberFact(raws: readonly Raw[], index: number): { fact: Fact; used: number } {
  const written = raws[index]?.text ?? "";
  const before = raws[index - 1];
  const currency = before?.glued === true && CURRENCY_SIGNS.has(before.text) ? UNITS.get(before.text) : undefined;
  let used = 0;
  let exponent = 0;
  const following = (): Raw | undefined => raws[index + 1 + used];
  const multiplier = following();
  const factor = multiplier?.sort === "word" ? MULTIPLIERS.get(multiplier.text.toLowerCase()) : undefined;
  if (factor !== undefined) {
    exponent = factor;
    used += 1;
  }
  const hyphen = following();
  if (hyphen?.sort === "symbol" && hyphen.text === "-" && hyphen.glued && raws[index + 2 + used]?.sort === "word") used += 1;
  const unitRaw = following();
  // One letter is told by its case: 5m are minutes of a chart, 5M are millions.
  const spelled = unitRaw === undefined ? "" : unitRaw.text.length === 1 ? unitRaw.text : unitRaw.text.toLowerCase();
  // What is written right behind a number and known to nobody belongs to it as it is written: 1M is not 1m.
  const adjoined = raws[index]?.glued === true && used === 0 && unitRaw?.sort === "word" ? `=${unitRaw.text}` : undefined;
  const unit = unitRaw?.sort === "word" || unitRaw?.sort === "symbol" ? (UNITS.get(spelled) ?? adjoined) : undefined;
  if (unit !== undefined) used += 1;
  else if (hyphen !== unitRaw) used -= 1;
  const units = [currency, unit].filter((part) => part !== undefined);
  const same = new Set(units);
  return { fact: { kind: "number", text: [plainNumber(written, exponent), ...same].join(" ") }, used };
}

/** "1,000.50" → "1000.5"; what is no plain number stays as it is written. Text arithmetic: floats would make some numbers equal. */
function plainNumber(written: string, exponent: number): string {
  const match = /^([+-]?)(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d+))?$/.exec(written);
  if (match === null) return exponent === 0 ? written.toLowerCase() : `${written.toLowerCase()}e${exponent}`;
  const [, sign = "", wholeText = "", fractionText = ""] = match;
  const digits = wholeText.replaceAll(",", "");
  const shifted = fractionText.padEnd(exponent, "0");
  const whole = `${digits}${shifted.slice(0, exponent)}`.replace(/^0+(?=\d)/, "");
  const fraction = shifted.slice(exponent).replace(/0+$/, "");
  return `${sign === "-" ? "-" : ""}${whole === "" ? "0" : whole}${fraction === "" ? "" : `.${fraction}`}`;
}

function wordFacts({ text }: Raw, next: Raw | undefined): Fact[] {
  const lower = text.toLowerCase();
  if (isTicker(text)) {
    const asset = CANONICAL.get(lower) ?? lower;
    return [{ kind: "entity", text: ASSETS.has(asset) ? asset : `=${text}` }];
  }
  if (SILENT.has(lower)) return [];
  if (SILENT_BEFORE_WORDS.has(lower) && !isQuantity(next)) return [];
  const number = NUMBER_WORDS.get(lower);
  if (number !== undefined) return [{ kind: "number", text: number }];
  const canonical = CANONICAL.get(lower) ?? CANONICAL.get(singular(lower)) ?? singular(lower);
  return [{ kind: kindOf(canonical, text), text: canonical }];
}

function isQuantity(raw: Raw | undefined): boolean {
  if (raw === undefined) return false;
  const lower = raw.text.toLowerCase();
  return (
    raw.sort === "number" || raw.sort === "date" || raw.sort === "symbol" || NUMBER_WORDS.has(lower) || DATE_WORDS.has(lower)
  );
}

function singular(word: string): string {
  return word.length > 4 && /[^su]s$/.test(word) && !NOT_PLURAL.has(word) ? word.slice(0, -1) : word;
}

/** Assets in one spelling: the classes of the lexicon whose first word is a ticker. */
const ASSETS: ReadonlySet<string> = new Set(["btc", "eth", "sol", "xrp", "ada", "doge", "ltc", "usdt", "bnb", "dot", "avax"]);

function kindOf(canonical: string, written: string): FactKind {
  if (NEGATIONS.has(canonical)) return "polarity";
  if (ASSETS.has(canonical)) return "entity";
  if (SIDES.has(canonical)) return "side";
  if (DATE_WORDS.has(canonical)) return "date";
  return /^\p{Lu}/u.test(written) && !ORDER_FREE.has(canonical) && !ASKING.has(canonical) ? "entity" : "word";
}

/** Free only where everything is known to name an attribute, a time, one asset, one number, one side: anything else may be subject or object. */
function isOrdered(facts: readonly Fact[]): boolean {
  const many = (kind: FactKind): boolean => new Set(facts.filter((fact) => fact.kind === kind).map(({ text }) => text)).size > 1;
  const free = facts.every(({ kind, text }) => kind === "entity" || kind === "number" || kind === "side" || ORDER_FREE.has(text));
  return !free || many("entity") || many("number") || many("side");
}
