import type { Random } from "@bellwether/service-kit/random";

/** Two questions and what is to be thought of them. */
export interface QuestionPair {
  readonly kind: string;
  readonly left: string;
  readonly right: string;
}

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[Math.floor(random.next() * items.length)]!;

const ASSETS = [
  "BTC",
  "ETH",
  "SOL",
  "XRP",
  "ADA",
  "DOGE",
  "LTC",
  "AVAX",
  "AAPL",
  "TSLA",
  "NVDA",
  "MSFT",
  "LINK",
  "DOT",
  "UNI",
  "NOW",
  "ALL",
  "ON",
];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
const UNITS = [
  "hours",
  "minutes",
  "days",
  "weeks",
  "%",
  "bps",
  "USD",
  "EUR",
  "shares",
  "contracts",
  "BTC",
  "ETH",
  "percent",
  "basis points",
  "million USD",
];
const SIDES: readonly (readonly [string, string])[] = [
  ["buy", "sell"],
  ["go long", "go short"],
  ["open a long on", "open a short on"],
  ["buy a call on", "buy a put on"],
  ["bid for", "offer"],
  ["enter", "exit"],
  ["deposit", "withdraw"],
  ["lend", "borrow"],
  ["add to", "take off"],
];
const DIRECTIONS: readonly (readonly [string, string])[] = [
  ["rises", "falls"],
  ["goes up", "goes down"],
  ["closes above", "closes below"],
  ["is bullish on", "is bearish on"],
  ["breaks support at", "breaks resistance at"],
  ["gains", "loses"],
  ["moves higher than", "moves lower than"],
  ["opens over", "opens under"],
  ["trades before", "trades after"],
];

/** `{a}` asset, `{b}` another one, `{n}` number, `{m}` another one, `{u}` unit, `{s}` side, `{d}` direction, `{t}` date, `{x}` may be negated. */
const TEMPLATES = [
  "Should I {x}{s} {a} now?",
  "Is it a good idea to {x}{s} {n} {a} at {m} USD on {t}?",
  "{s} {n} {a} if it {d} {m} USD",
  "Tell me whether to {x}{s} {a} when {b} {d} {n} {u}",
  "What happens to my position of {n} {a} if {b} {d} {m} {u} by {t}?",
  "Please {x}{s} {n} {u} of {a} for {b} before {t}.",
  "Would you recommend to {x}{s} {a} against {b} over the last {n} {u}?",
  "Explain why {a} {d} {n} {u} on {t} and whether I should {x}{s} {b}",
  "How much would I make if I {s} {n} {a} and {a} {d} {m} {u}?",
  "Given a stop at {n} {u} and a target of {m} {u}, would you {x}{s} {a}?",
  "Compare {a} with {b} over {n} {u} until {t}",
  "Set a limit to {s} {a} at {n} USD, valid for {m} hours, and do {x}cancel on {t}",
  "What was the volatility of {a} on {t} over {n} {u}?",
  "If {a} {d} {n} {u} then {x}{s} {b}, otherwise wait {m} hours",
  "Has {a} been moving with {b} since {t}? Summarise {n} {u}.",
];

interface Slots {
  a: string;
  b: string;
  n: string;
  m: string;
  u: string;
  s: string;
  d: string;
  t: string;
  x: string;
}

function number(random: Random): string {
  const kind = random.next();
  if (kind < 0.3) return String(1 + Math.floor(random.next() * 99));
  if (kind < 0.5) return (random.next() * 100).toFixed(2);
  if (kind < 0.7) return String(1000 + Math.floor(random.next() * 90_000));
  if (kind < 0.85) return (1000 + Math.floor(random.next() * 90_000)).toLocaleString("en-US");
  return `-${1 + Math.floor(random.next() * 20)}`;
}

function date(random: Random): string {
  const [year, month, day] = [
    2020 + Math.floor(random.next() * 7),
    Math.floor(random.next() * 12),
    1 + Math.floor(random.next() * 28),
  ];
  const kind = random.next();
  if (kind < 0.4) return `${year}-${String(month + 1).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
  if (kind < 0.6) return `${day} ${MONTHS[month]} ${year}`;
  if (kind < 0.8) return pick(random, DAYS);
  return pick(random, ["today", "yesterday", "tomorrow", "next week", "last month", "14:30", "the 3rd"]);
}

function slots(random: Random): Slots {
  const [a, b] = [pick(random, ASSETS), pick(random, ASSETS)];
  return {
    a,
    b: a === b ? "BNB" : b,
    n: number(random),
    m: number(random),
    u: pick(random, UNITS),
    s: pick(random, SIDES)[0],
    d: pick(random, DIRECTIONS)[0],
    t: date(random),
    x: "",
  };
}

const fill = (template: string, values: Slots): string =>
  template.replaceAll(/\{([a-z])\}/g, (_, name: keyof Slots) => values[name] ?? "");

function otherNumber(random: Random, text: string): string {
  const index = text.search(/\d/);
  const digit = Number(text[index]);
  return pick(random, [
    `${text.slice(0, index)}${((digit + 1) % 9) + 1}${text.slice(index + 1)}`.replace(text, `${text}1`),
    text.startsWith("-") ? text.slice(1) : `-${text}`,
    text.includes(".") ? `1${text.replace("-", "")}` : `${text}0`,
    `${text}k`,
    `${text.replaceAll(",", "")}5`,
    text.includes(".") ? text.replace(".", "") : `0.${text.replaceAll(/[-,]/g, "")}`,
  ]);
}

type Twist = (random: Random, values: Slots) => Partial<Slots>;

const different = <Item>(random: Random, items: readonly Item[], not: Item): Item => {
  for (;;) {
    const item = pick(random, items);
    if (item !== not) return item;
  }
};

const TWISTS: Readonly<Record<string, { slot: keyof Slots; twist: Twist }>> = {
  side: { slot: "s", twist: (_random, { s }) => ({ s: SIDES.find(([one]) => one === s)?.[1] ?? s }) },
  direction: { slot: "d", twist: (_random, { d }) => ({ d: DIRECTIONS.find(([one]) => one === d)?.[1] ?? d }) },
  ticker: {
    slot: "a",
    twist: (random, { a, b }) => ({
      a: different(
        random,
        ASSETS.filter((asset) => asset !== b),
        a,
      ),
    }),
  },
  "ticker order": { slot: "b", twist: (_random, { a, b }) => ({ a: b, b: a }) },
  number: { slot: "n", twist: (random, { n }) => ({ n: otherNumber(random, n) }) },
  "number order": { slot: "m", twist: (_random, { n, m }) => (n === m ? { n: `${n}1` } : { n: m, m: n }) },
  date: {
    slot: "t",
    twist: (random, { t }) => {
      for (;;) {
        const other = date(random);
        if (other !== t) return { t: other };
      }
    },
  },
  negation: { slot: "x", twist: (random) => ({ x: pick(random, ["not ", "never ", "no longer ", "avoid to ", "hardly "]) }) },
  unit: {
    slot: "u",
    twist: (random, { u }) => {
      const same = [
        ["%", "percent"],
        ["bps", "basis points"],
      ].find((names) => names.includes(u)) ?? [u];
      return {
        u: different(
          random,
          UNITS.filter((unit) => !same.includes(unit)),
          u,
        ),
      };
    },
  },
};

/** Kinds of {@link adversarialPair}; `tenant` is one more, and no matter of texts. */
export const ADVERSARIAL_KINDS = Object.keys(TWISTS);

/** Two questions that differ in one fact, dressed differently so that nothing else gives them away. */
export function adversarialPair(random: Random, kind: string): QuestionPair {
  const { slot, twist } = TWISTS[kind]!;
  const template = pick(
    random,
    TEMPLATES.filter((text) => text.includes(`{${slot}}`)),
  );
  const values = slots(random);
  const twisted = { ...values, ...twist(random, values) };
  return { kind, left: reformat(random, fill(template, values)), right: reformat(random, fill(template, twisted)) };
}

/** Spelling of numbers, dates, quotes and blanks. */
const SPELLINGS: readonly ((text: string) => string)[] = [
  (text) => text.replaceAll(" ", "  "),
  (text) => text.replaceAll(/ (?=\w+ \w+$)/g, "\n"),
  (text) => text.replace(/ (?=\w+ \w+[?.]?$)/, "\n"),
  (text) => text.replaceAll(/\b(\d{1,3}),(\d{3})\b/g, "$1$2"),
  (text) => text.replaceAll(/(?<![\d.,-])(\d{2})(\d{3})(?![\d.,-])/g, "$1,$2"),
  (text) => text.replaceAll(/(\d) %/g, "$1%"),
  (text) => text.replaceAll(/(\d) ?percent/g, "$1%"),
  (text) => text.replaceAll(/(?<![-\d.,])(\d[\d.,]*) USD\b/g, "$$$1"),
  (text) =>
    text.replaceAll(
      /(\d{4})-(\d{2})-(\d{2})/g,
      (_, ...parts: string[]) => `${Number(parts[2])} ${MONTHS[Number(parts[1]) - 1]} ${parts[0]}`,
    ),
  (text) => text.replaceAll(/(\d{1,2}) (January|February|June|July|October|December) (\d{4})/g, "$2 $1, $3"),
  (text) => text.charAt(0).toLowerCase() + text.slice(1),
  (text) => text.normalize("NFD"),
  (text) => text.replaceAll(" ", "\u00A0"),
  (text) => text.replaceAll("'", "\u2019"),
];

/** What stands around a text; the last thing that is done to it. */
const SETTINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text,
  (text) => `\n\n${text}\n`,
  (text) => `${text}   `,
  (text) => text.replace(/\.$/, ""),
  (text) => (/^(What|Should|Has|Is|How|Would)/.test(text) ? text.replace(/\?$/, "") : text),
  (text) => `- ${text}`,
  (text) => `> ${text}`,
  (text) => `**${text}**`,
  (text) => `"${text}"`,
  (text) =>
    `Please ${text
      .replace(/^Please /, "")
      .charAt(0)
      .toLowerCase()}${text.replace(/^Please /, "").slice(1)}`,
];

/** The same question in another dress: one or two changes of spelling, one of layout. */
export function reformat(random: Random, text: string): string {
  let dressed = text;
  for (let round = 1 + Math.floor(random.next() * 2); round > 0; round--) dressed = pick(random, SPELLINGS)(dressed);
  return pick(random, SETTINGS)(dressed);
}

/** One question twice, merely formatted otherwise. */
export function reformattedPair(random: Random): QuestionPair {
  const text = fill(pick(random, TEMPLATES), slots(random));
  return { kind: "reformatted", left: text, right: reformat(random, text) };
}
