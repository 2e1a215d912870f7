import { NEGATIONS, SILENT } from "../cache/lexicon.ts";
import type { ChatMessage } from "../server/chat-request.ts";
import { messageText } from "../server/chat-request.ts";

export interface CompressionLimits {
  /** Prompts of no more than this are left alone; longer ones are shortened towards it. */
  readonly maxPromptTokens: number;
  /** Tokens of a text, estimated. */
  readonly countTokens: (text: string) => number;
}

export interface Compressed {
  readonly messages: readonly ChatMessage[];
  readonly tokensBefore: number;
  readonly tokensAfter: number;
  /** Sentences and lines that are gone. */
  readonly dropped: number;
}

/** A sentence or line with the blanks behind it: joined again, kept ones are what they were, byte for byte. */
interface Segment {
  readonly message: number;
  readonly order: number;
  readonly text: string;
  /** Compared for repetition. */
  readonly plain: string;
  readonly kept: boolean;
  readonly tokens: number;
}

/** More are not looked at: the time is then better spent on the model. */
const MAX_SEGMENTS = 20_000;

/** What a person would be surprised to lose: digits, tickers, JSON and code, tables, links, quotations, questions, rules, sides. */
const PRECIOUS = new RegExp(
  [
    "\\d",
    '[{}[\\]<>|`"“”=$€£¥%@#_\\\\]',
    "\\b[A-Z]{2,}\\b|\\b[A-Za-z]+/[A-Za-z]+\\b",
    "\\?",
    "n['’]t\\b",
    "\\b(?:must|only|always|exactly|important|rule|limit|stop|risk|required?|forbidden|if|when|until)\\b",
    "\\b(?:buy|sell|long|short|bid|ask|hold|enter|exit|close|open|rise[sn]?|rose|fall(?:s|en)?|fell|up|down|above|below|bullish|bearish|profit|loss|gain)s?\\b",
  ].join("|"),
  "u",
);
const CASELESS = new RegExp(PRECIOUS.source.replace("\\b[A-Z]{2,}\\b|", ""), "iu");

/** Whether a sentence may never be dropped. */
export function isPrecious(text: string): boolean {
  if (PRECIOUS.test(text) || CASELESS.test(text)) return true;
  return (
    text
      .toLowerCase()
      .match(/\p{L}+/gu)
      ?.some((word) => NEGATIONS.has(word)) ?? false
  );
}

/** Whole sentences and lines; a fenced block is one. */
function segmentsOf(text: string): readonly string[] {
  return text.match(/```[\s\S]*?(?:```\s*|$)|[^\n]*?[.!?…]+["')\]]*(?:[ \t]+|\s*\n+|$)|[^\n]+(?:\n+|$)|\n+/g) ?? [];
}

/** Which messages may lose something: what was said between the instructions in front and the question at the end. Answers of tools are data. */
function isOpen(message: ChatMessage, index: number, messages: readonly ChatMessage[]): boolean {
  const prefix = messages.findIndex(({ role }) => role !== "system" && role !== "developer");
  if (index < prefix || index === messages.length - 1) return false;
  if (message.role === "assistant") return (message.tool_calls?.length ?? 0) === 0;
  return message.role === "user";
}

/**
 * Shortens a prompt that is too long: first what was said before in the same words, then what says least, sentence by sentence. Instructions in
 * front stay byte for byte (a stable prefix earns the provider's discount), so do the last message, tools' answers, and every sentence with a
 * number, a ticker, JSON, a negation or anything else that is precious. Nothing is reworded. It may end above the limit: then there
 * was nothing else to lose, and whoever asked must say whether it fits.
 */
export function compress(messages: readonly ChatMessage[], { maxPromptTokens, countTokens }: CompressionLimits): Compressed {
  const tokensBefore = messages.reduce((sum, message) => sum + countTokens(messageText(message)), 0);
  const unchanged = { messages, tokensBefore, tokensAfter: tokensBefore, dropped: 0 };
  if (tokensBefore <= maxPromptTokens) return unchanged;
  const segments = messages.flatMap((message, index) =>
    isOpen(message, index, messages) ? read(messageText(message), index, countTokens) : [],
  );
  if (segments.length === 0 || segments.length > MAX_SEGMENTS) return unchanged;
  const gone = chooseDropped(segments, tokensBefore - maxPromptTokens);
  if (gone.size === 0) return unchanged;
  const shortened = messages.map((message, index) =>
    without(
      message,
      segments.filter((segment) => segment.message === index),
      gone,
    ),
  );
  const tokensAfter = shortened.reduce((sum, message) => sum + countTokens(messageText(message)), 0);
  return { messages: shortened, tokensBefore, tokensAfter, dropped: gone.size };
}

function read(text: string, message: number, countTokens: (text: string) => number): Segment[] {
  return segmentsOf(text).map((part, order) => ({
    message,
    order,
    text: part,
    plain: part.toLowerCase().replaceAll(/\s+/g, " ").trim(),
    kept: isPrecious(part) || part.trim() === "",
    tokens: countTokens(part),
  }));
}

/** Repetitions, then the least informative, oldest first among equals, until enough tokens are gone. Each message keeps one segment at least. */
function chooseDropped(segments: readonly Segment[], surplusTokens: number): ReadonlySet<Segment> {
  const gone = new Set<Segment>();
  const left = Map.groupBy(segments, ({ message }) => message);
  const remaining = new Map([...left].map(([message, all]) => [message, all.filter(({ plain }) => plain !== "").length]));
  let surplus = surplusTokens;
  const drop = (segment: Segment): void => {
    const others = remaining.get(segment.message) ?? 0;
    if (surplus <= 0 || others <= 1) return;
    gone.add(segment);
    remaining.set(segment.message, others - 1);
    surplus -= segment.tokens;
  };
  const loose = segments.filter(({ kept }) => !kept);
  const seen = new Set<string>();
  for (const segment of loose) {
    if (seen.has(segment.plain)) drop(segment);
    seen.add(segment.plain);
  }
  const frequency = new Map<string, number>();
  for (const { plain } of segments) for (const word of wordsOf(plain)) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const worth = new Map(loose.map((segment) => [segment, worthOf(segment, frequency)]));
  const order = loose
    .filter((segment) => !gone.has(segment))
    .toSorted(
      (one, other) => (worth.get(one) ?? 0) - (worth.get(other) ?? 0) || one.message - other.message || one.order - other.order,
    );
  for (const segment of order) drop(segment);
  return gone;
}

const wordsOf = (plain: string): Set<string> => new Set((plain.match(/\p{L}{3,}/gu) ?? []).filter((word) => !SILENT.has(word)));

/** How much a sentence says that nothing else says, for each token it costs. */
function worthOf({ plain, tokens }: Segment, frequency: ReadonlyMap<string, number>): number {
  let worth = 0;
  for (const word of wordsOf(plain)) worth += 1 / (frequency.get(word) ?? 1);
  return worth / Math.max(1, tokens);
}

function without(message: ChatMessage, segments: readonly Segment[], gone: ReadonlySet<Segment>): ChatMessage {
  if (!segments.some((segment) => gone.has(segment))) return message;
  const content = segments
    .filter((segment) => !gone.has(segment))
    .map(({ text }) => text)
    .join("");
  return { ...message, content };
}
