import type { Decimal } from "@bellwether/trading/decimal";

/** What a request costs, or may cost: US dollars (scaled by 10^18) and tokens. Both are limited, so both are reserved and settled together. */
export interface Spend {
  readonly usd: Decimal;
  readonly tokens: bigint;
}

/** What a month allows. An undefined member is not limited. */
export interface SpendLimits {
  readonly usd?: Decimal | undefined;
  readonly tokens?: bigint | undefined;
}

/** USD for a million tokens, as the route's `price` says. */
export interface TokenPrice {
  readonly inputPerMillionTokens: Decimal;
  readonly outputPerMillionTokens: Decimal;
}

/** Tokens of one call. Output includes what a model thinks before it answers: providers bill it as output. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export const NOTHING: Spend = { usd: 0n as Decimal, tokens: 0n };

const TOKENS_PER_PRICE = 1_000_000n;

export function addSpend(left: Spend, right: Spend): Spend {
  return { usd: (left.usd + right.usd) as Decimal, tokens: left.tokens + right.tokens };
}

export function subtractSpend(left: Spend, right: Spend): Spend {
  return { usd: (left.usd - right.usd) as Decimal, tokens: left.tokens - right.tokens };
}

/** The smaller of each member. */
export function minimumSpend(left: Spend, right: Spend): Spend {
  return {
    usd: left.usd < right.usd ? left.usd : right.usd,
    tokens: left.tokens < right.tokens ? left.tokens : right.tokens,
  };
}

/** The larger of each member. */
export function maximumSpend(left: Spend, right: Spend): Spend {
  return {
    usd: left.usd > right.usd ? left.usd : right.usd,
    tokens: left.tokens > right.tokens ? left.tokens : right.tokens,
  };
}

/** Whole times of an amount, or a part of it rounded down. */
export function scaleSpend(amount: Spend, { times = 1n, dividedBy = 1n }: { times?: bigint; dividedBy?: bigint }): Spend {
  return { usd: ((amount.usd * times) / dividedBy) as Decimal, tokens: (amount.tokens * times) / dividedBy };
}

/** Whether `amount` is within `room` in dollars and in tokens. */
export function fitsWithin(amount: Spend, room: Spend): boolean {
  return amount.usd <= room.usd && amount.tokens <= room.tokens;
}

/** What is left of the limits; an unlimited member has room for everything that can be reckoned. */
export function roomWithin(limits: SpendLimits, used: Spend): Spend {
  return {
    usd: limits.usd === undefined ? LIMITLESS.usd : ((limits.usd - used.usd) as Decimal),
    tokens: limits.tokens === undefined ? LIMITLESS.tokens : limits.tokens - used.tokens,
  };
}

/** More than any month spends (10^18 dollars or tokens), and a number all the same: unlimited members need no second way through the algebra. */
const LIMITLESS: Spend = { usd: (10n ** 36n) as Decimal, tokens: 10n ** 18n };

/** The used part of the budget, 0 for an unlimited one: the fuller of its two members counts. A limit of nothing is used up. */
export function usedRatio(used: Spend, limits: SpendLimits): number {
  const part = (value: bigint, limit: bigint | undefined): number => {
    if (limit === undefined) return 0;
    return limit <= 0n ? 1 : Number((value * 1_000_000n) / limit) / 1_000_000;
  };
  return Math.max(part(used.usd, limits.usd), part(used.tokens, limits.tokens));
}

/** What a call cost by the usage that its provider reported, rounded up at the 18th decimal. */
export function costOf({ inputTokens, outputTokens }: TokenUsage, price: TokenPrice): Spend {
  const [input, output] = [BigInt(inputTokens), BigInt(outputTokens)];
  const perMillion = input * price.inputPerMillionTokens + output * price.outputPerMillionTokens;
  return { usd: ((perMillion + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE) as Decimal, tokens: input + output };
}

/** A chat template's tokens around one message: role, separators, end of turn. Sixteen is twice what the widest in use here needs. */
const TOKENS_PER_MESSAGE = 16;
/** What a vendor puts before everything: begin of text, its own words about tools. */
const TOKENS_PER_PROMPT = 256;

/**
 * The most tokens a prompt can have with any vendor: each token of a byte-level vocabulary stands for a byte or more, so there are no
 * more of them than bytes. An estimate by one vendor's vocabulary would be nearer, and wrong for the next vendor's; the difference is
 * only held while the call runs.
 *
 * @param serialised everything that is sent as JSON: messages, tools, the wished form of the answer
 */
export function promptTokenBound(serialised: string, messages: number): number {
  return Buffer.byteLength(serialised, "utf8") + messages * TOKENS_PER_MESSAGE + TOKENS_PER_PROMPT;
}
