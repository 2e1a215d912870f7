// What two wordings of one question may differ in. Everything that is not listed here must be there in both, word for word: an unknown word
// costs a hit at worst, a wrong synonym would hand out another question's answer. So: synonyms only where a trader would take either, no
// opposites in one class, no tenses in one class.

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Words that say nothing about what is asked. */
export const SILENT: ReadonlySet<string> = new Set(
  words(`the a an is are am be being do does of i me please kindly just really actually basically simply so well ok okay hi hello hey
    thanks thank also exactly there`),
);

/** Silent, too, unless a number or a date follows: "in 5 minutes" is not "for 5 minutes". */
export const SILENT_BEFORE_WORDS: ReadonlySet<string> = new Set(words("for on in about regarding concerning"));

/** A class's first word stands for all of it. */
const SYNONYMS: readonly (readonly string[])[] = [
  "buy buying buys purchase purchasing purchases acquire acquiring",
  "sell selling sells offload offloading",
  "rise rises rising increase increases increasing climb climbs climbing",
  "fall falls falling drop drops dropping decline declines declining decrease decreases decreasing",
  "price prices cost costs worth",
  "now currently current presently",
  "last past",
  "summary summarise summarize summarising summarizing overview recap",
  "forecast forecasts prediction predictions predict outlook projection",
  "news headlines headline",
  "should ought",
  "risk risks danger dangers",
  "explain explains describe describes clarify",
  "calculate calculates calculating compute computes computing",
  "analyse analyze analysis analysing analyzing assess assessing assessment evaluate evaluating evaluation",
  "recommend recommends suggest suggests advise",
  "list lists enumerate",
  "compare compares comparing",
  "large big",
  "small little",
  "fast quick rapid quickly rapidly",
  "start begin starting beginning",
  "finish complete",
  "use using uses utilise utilize employ",
  "need needs require requires",
  "maximum max",
  "minimum min",
  "approximately roughly approx",
  "average averages",
  "what which",
  "crypto cryptocurrency cryptocurrencies",
  "sentiment mood",
  "strategy strategies",
  "reason reasons",
  "trade trades trading",
  "transaction transactions tx",
  "fee fees",
  "perform performs performing performance",
  "important key crucial",
  "information info details",
  "btc bitcoin xbt",
  "eth ethereum ether",
  "sol solana",
  "xrp ripple",
  "ada cardano",
  "doge dogecoin",
  "ltc litecoin",
  "usdt tether",
  "bnb binancecoin",
  "dot polkadot",
  "avax avalanche",
  "january jan",
  "february feb",
  "april apr",
  "june jun",
  "july jul",
  "august aug",
  "october oct",
  "november nov",
  "december dec",
].map(words);

/** Verbs whose forms in -s and -ing mean the same here; those in -ed are of another time, and never the same. */
const VERBS = words(
  `take hedge hold move drive invest stake swap transfer convert rebalance diversify reduce keep wait place cancel close open enter
    exit add remove check monitor track follow watch consider expect think believe develop change affect influence cause lead help make come
    give show tell write find look run pay earn spend save mean happen apply carry see wait`,
);

function formsOf(verb: string): readonly string[] {
  const [stem, third] = [
    verb.replace(/e$/, ""),
    /(?:s|sh|ch|x|o)$/.test(verb) ? `${verb}es` : verb.replace(/([^aeiou])y$/, "$1ie").concat("s"),
  ];
  const ing = /(?:cancel|swap|run)$/.test(verb) ? `${verb}${verb.at(-1)}ing` : verb === "see" ? "seeing" : `${stem}ing`;
  return [third, ing];
}

export const CANONICAL: ReadonlyMap<string, string> = new Map([
  ...VERBS.flatMap((verb) => formsOf(verb).map((form) => [form, verb] as const)),
  ...SYNONYMS.flatMap(([first = "", ...others]) => others.map((other) => [other, first] as const)),
]);

/**
 * Wordings of several words, on lower-case words with contractions undone: what is there, and what it stands for. `?` is a question's mood.
 * Longer ones are tried first.
 */
const PHRASES: readonly (readonly [from: string, to: string])[] = [
  ["is it a good idea to", "? should"],
  ["would it be a good idea to", "? should"],
  ["would it be wise to", "? should"],
  ["is it wise to", "? should"],
  ["is it smart to", "? should"],
  ["does it make sense to", "? should"],
  ["would you recommend", "? should"],
  ["do you recommend", "? should"],
  ["would you advise", "? should"],
  ["do you think i should", "? should"],
  ["is now a good time to", "? should now"],
  ["is it a good time to", "? should now"],
  ["is this a good time to", "? should now"],
  ["is it time to", "? should now"],
  ["should i be", "? should"],
  ["can you tell me", "?"],
  ["could you tell me", "?"],
  ["would you tell me", "?"],
  ["can you give me", "?"],
  ["could you give me", "?"],
  ["can you show me", "?"],
  ["could you show me", "?"],
  ["can you explain", "? explain"],
  ["could you explain", "? explain"],
  ["would you say that", "?"],
  ["would you say", "?"],
  ["do you think that", "?"],
  ["do you think", "?"],
  ["do you believe that", "?"],
  ["do you believe", "?"],
  ["tell me whether", "?"],
  ["what has been the", "?"],
  ["how high is the", "?"],
  ["how high are the", "?"],
  ["how large is the", "?"],
  ["how wide is the", "?"],
  ["a comparison of", "compare"],
  ["an analysis of", "analyse"],
  ["would you", "? should"],
  ["i would like to know", "?"],
  ["i want to know", "?"],
  ["i need to know", "?"],
  ["i would like", "?"],
  ["do you know", "?"],
  ["let me know", "?"],
  ["tell me about", "?"],
  ["tell me", "?"],
  ["show me", "?"],
  ["give me", "?"],
  ["what is", "?"],
  ["what are", "?"],
  ["what does it mean to", "? explain"],
  ["how much is", "? price"],
  ["how much does", "? price"],
  ["how much do", "? price"],
  ["what is the reason for", "? why"],
  ["what are the reasons for", "? why"],
  ["how come", "? why"],
  ["for what reason", "? why"],
  ["right now", "now"],
  ["at the moment", "now"],
  ["at this moment", "now"],
  ["at present", "now"],
  ["as of now", "now"],
  ["these days", "now"],
  ["as we speak", "now"],
  ["go up", "rise"],
  ["goes up", "rise"],
  ["going up", "rise"],
  ["move up", "rise"],
  ["moving up", "rise"],
  ["go down", "fall"],
  ["goes down", "fall"],
  ["going down", "fall"],
  ["move down", "fall"],
  ["moving down", "fall"],
  ["over the last", "last"],
  ["over the past", "last"],
  ["during the last", "last"],
  ["during the past", "last"],
  ["in the last", "last"],
  ["in the past", "last"],
  ["for the last", "last"],
  ["for the past", "last"],
  ["within the last", "last"],
  ["sum up", "summary"],
  ["a rundown of", "summary"],
  ["brief me on", "summary"],
  ["is about to", "will"],
  ["about to", "will"],
  ["going to", "will"],
  ["is likely to", "likely"],
  ["is expected to", "expected"],
  ["with respect to", ""],
  ["in terms of", ""],
  ["when it comes to", ""],
  ["a lot of", "many"],
  ["lots of", "many"],
  ["in order to", "to"],
  ["so as to", "to"],
  ["due to", "because"],
  ["because of", "because"],
  ["more than", "over"],
  ["less than", "under"],
  ["per cent", "percent"],
  ["basis points", "bps"],
  ["basis point", "bps"],
  ["trading at", "price"],
  ["get into", "enter"],
  ["get out of", "exit"],
  ["work out", "calculate"],
  ["has been", "has"],
  ["have been", "have"],
];

/** Wordings by their first word, the longest first. */
export const PHRASES_BY_FIRST: ReadonlyMap<string, readonly { from: readonly string[]; to: readonly string[] }[]> = Map.groupBy(
  PHRASES.map(([from, to]) => ({ from: words(from), to: to === "" ? [] : words(to) })).toSorted(
    (left, right) => right.from.length - left.from.length,
  ),
  ({ from }) => from[0] ?? "",
);

/** Undone before anything else: an apostrophe must not hide a negation. */
export const CONTRACTIONS: ReadonlyMap<string, string> = new Map([
  ["can't", "can not"],
  ["cannot", "can not"],
  ["won't", "will not"],
  ["shan't", "shall not"],
  ["ain't", "is not"],
  ["i'm", "i am"],
  ["let's", "let us"],
]);

export const NEGATIONS: ReadonlySet<string> = new Set(
  words("not no never none nothing neither nor without except unless hardly barely rarely seldom avoid stop cease refuse false"),
);

/** Which way: to trade, to move, to judge. Named apart only to say why a hit was refused; as words they must be equal anyway. */
export const SIDES: ReadonlySet<string> = new Set(
  words(`buy sell long short bid ask call put bull bear bullish bearish rise fall up down above below over under higher lower high low
    gain loss profit enter exit entry open close support resistance deposit withdraw lend borrow maker taker before after more less
    increase decrease top bottom best worst in out on off enable disable allow deny include exclude always never all any none`),
);

/** A sentence that starts with one of these asks, with or without its mark. */
export const ASKING: ReadonlySet<string> = new Set(
  words(
    `what how why when where who which whose is are was were do does did will would should can could may might has have had shall must`,
  ),
);

/** Words whose order does not matter beside one asset, one number and one side: attributes that a question names, and when. */
export const ORDER_FREE: ReadonlySet<string> = new Set(
  words(`? price now today yesterday tomorrow last next week month year day hour market trend volatility volume news sentiment forecast risk summary analyse
    should will chart liquidity funding rate spread dominance latest weekly daily monthly hourly perform information fee`),
);

/** What a person tells a program to do that only speaks: "compare A and B" and "can you compare A and B?" ask for the same. Orders to trade are not among them. */
export const TELLING: ReadonlySet<string> = new Set(
  words(
    "summary explain calculate analyse recommend list compare write draft show give tell find name forecast estimate rate rank translate",
  ),
);

/** Courtesy in front of one of those. */
export const ASKED_OF_YOU: ReadonlySet<string> = new Set(["can", "could", "will", "would"]);

/** With one of these a sentence is not about the present by itself, so that "now" says something. */
export const TIMED: ReadonlySet<string> = new Set(
  words("will was were did has have had should would if when until since after before"),
);

/** Times that name no day. */
export const DATE_WORDS: ReadonlySet<string> = new Set(
  words(`today yesterday tomorrow tonight now last next previous upcoming ago daily weekly monthly hourly yearly annually
    monday tuesday wednesday thursday friday saturday sunday morning afternoon evening night midnight noon
    january february march april june july august september october november december
    second seconds minute minutes hour hours day days week weeks month months quarter quarters year years decade`),
);

export const NUMBER_WORDS: ReadonlyMap<string, string> = new Map([
  ["zero", "0"],
  ["one", "1"],
  ["two", "2"],
  ["three", "3"],
  ["four", "4"],
  ["five", "5"],
  ["six", "6"],
  ["seven", "7"],
  ["eight", "8"],
  ["nine", "9"],
  ["ten", "10"],
  ["eleven", "11"],
  ["twelve", "12"],
  ["twenty", "20"],
  ["thirty", "30"],
  ["forty", "40"],
  ["fifty", "50"],
  ["hundred", "100"],
]);

export const MULTIPLIERS: ReadonlyMap<string, number> = new Map([
  ["k", 3],
  ["thousand", 3],
  ["million", 6],
  ["bn", 9],
  ["billion", 9],
  ["trillion", 12],
]);

/** Units in one spelling. A unit that is not listed is a word like others, and must be equal as such. */
export const UNITS: ReadonlyMap<string, string> = new Map(
  [
    "usd $ dollar dollars us$",
    "eur € euro euros",
    "gbp £",
    "jpy ¥ yen",
    "% percent pct",
    "bps bp",
    "second s sec secs seconds",
    "minute min mins minutes",
    "hour h hr hrs hours",
    "day d days",
    "week w wk weeks",
    "month months",
    "year y yr yrs years",
    "share shares",
    "contract contracts",
    "token tokens",
    "lot lots",
    "coin coins",
    "unit units",
  ].flatMap((line) => {
    const [first = "", ...others] = words(line);
    return [first, ...others].map((unit) => [unit, first] as const);
  }),
);

/** Plurals that are words of their own. */
export const NOT_PLURAL: ReadonlySet<string> = new Set(
  words(
    "news futures gas basis analysis bias loss less plus minus always this his its was has does us gains odds bonds status thus",
  ),
);
