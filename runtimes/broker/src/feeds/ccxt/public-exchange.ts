import { CodedError, hasCode, messageOf } from "@bellwether/service-kit";
import { type MarketRules, decimalFromNumber, formatDecimal, parseDecimal } from "@bellwether/trading";
import { z } from "zod";
import type { BrokerErrorCode } from "../../errors.ts";
import { type CcxtExchange, type OpenClientOptions, type OpenedClient, openClient } from "./client.ts";
import { VenueAnswer, withoutQuery } from "./venue-answer.ts";

/** One closed or running candle as exchanges give it: opening time, open, high, low, close, base volume. */
export type Candle = readonly [number, number, number, number, number, number];

/** The public, keyless part of an exchange that a feed needs. */
export interface PublicExchange {
  readonly name: string;
  /** Its timeframes, `1m` among them. */
  readonly timeframes: readonly string[];
  /**
   * Reads what the exchange says of these markets (where it can be asked about single ones; otherwise of all).
   *
   * @throws CodedError VENUE_UNREACHABLE
   */
  loadMarkets(symbols: readonly string[]): Promise<void>;
  /** @throws CodedError VENUE_UNREACHABLE */
  serverTimeMs(): Promise<number>;
  /** Spot markets that are open; what is asked for by another name, or is not spot, is told by the reason. */
  market(symbol: string): MarketRules | "unknown" | "not-spot";
  /** Oldest first, from `sinceMs` on; the last one may still run. @throws CodedError VENUE_UNREACHABLE */
  candles(query: { symbol: string; timeframe: string; sinceMs: number; limit: number }): Promise<readonly Candle[]>;
}

/** How long to leave an exchange alone after it has said so; 418 is the warning before a ban by address. */
export const limitedPauseMs = 60_000;

const ccxtMarket = z.looseObject({
  symbol: z.string(),
  base: z.string(),
  quote: z.string(),
  spot: z.boolean(),
  active: z.boolean().nullish(),
  precision: z.looseObject({ amount: z.number().nullish(), price: z.number().nullish() }),
  limits: z.looseObject({
    amount: z.looseObject({ min: z.number().nullish() }).optional(),
    cost: z.looseObject({ min: z.number().nullish() }).optional(),
  }),
});
const candle = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);

/** ccxt's constants of `precisionMode`. */
const decimalPlaces = 2;
/** @throws CodedError EXCHANGE_UNKNOWN */
export async function openExchange(options: OpenClientOptions): Promise<PublicExchange> {
  return publicExchangeOf(await openClient(options));
}

/** The public part of an exchange through a client that may be shared with the account's own requests, and with their limit. */
export function publicExchangeOf({ name, client }: OpenedClient): PublicExchange {
  return new CcxtPublicExchange(name, client);
}

class CcxtPublicExchange implements PublicExchange {
  readonly name: string;
  readonly timeframes: readonly string[];
  readonly #client: CcxtExchange;

  constructor(name: string, client: CcxtExchange) {
    this.name = name;
    this.#client = client;
    this.timeframes = Object.keys(client.timeframes);
  }

  async loadMarkets(symbols: readonly string[]): Promise<void> {
    const spot = symbols.filter((symbol) => !symbol.includes(":"));
    if (this.name === "binance" && spot.length > 0) {
      try {
        // All 3,000 markets of Binance cost 25 MiB; asked for these few it answers for these few.
        const ids = JSON.stringify(spot.map((symbol) => symbol.replace("/", "")));
        return await asked("markets", async () => void (await this.#client.loadMarkets(true, { symbols: ids })));
      } catch (error) {
        // One name that does not exist makes Binance refuse them all.
        if (!hasCode(error) || error.context["refused"] !== true) throw error;
      }
    }
    await asked("markets", () => this.#client.loadMarkets(true));
  }

  async serverTimeMs(): Promise<number> {
    return z.number().parse(await asked("time", () => this.#client.fetchTime()));
  }

  market(symbol: string): MarketRules | "unknown" | "not-spot" {
    const found = ccxtMarket.safeParse(this.#client.markets?.[symbol]);
    if (!found.success) return symbol.includes(":") ? "not-spot" : "unknown";
    const { base, quote, spot, active, precision, limits } = found.data;
    if (!spot) return "not-spot";
    if (active === false) return "unknown";
    return {
      symbol,
      base,
      quote,
      quantityStep: this.#step(precision.amount),
      priceStep: this.#step(precision.price),
      ...optionalMinimum("minQuantity", limits.amount?.min),
      ...optionalMinimum("minNotional", limits.cost?.min),
    };
  }

  async candles({
    symbol,
    timeframe,
    sinceMs,
    limit,
  }: {
    symbol: string;
    timeframe: string;
    sinceMs: number;
    limit: number;
  }): Promise<readonly Candle[]> {
    return z.array(candle).parse(await asked("candles", () => this.#client.fetchOHLCV(symbol, timeframe, sinceMs, limit)));
  }

  #step(precision: number | null | undefined): string {
    if (precision === null || precision === undefined) return "0.00000001";
    const step = this.#client.precisionMode === decimalPlaces ? 10 ** -precision : precision;
    return formatDecimal(decimalFromNumber(step));
  }
}

function optionalMinimum<Name extends string>(name: Name, value: number | null | undefined): Partial<Record<Name, string>> {
  if (value === null || value === undefined) return {};
  const text = formatDecimal(decimalFromNumber(value));
  return parseDecimal(text) > 0n ? ({ [name]: text } as Partial<Record<Name, string>>) : {};
}

async function asked<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const kind = cause instanceof Error ? cause.constructor.name : "";
    const status = cause instanceof VenueAnswer ? cause.status : 0;
    const limited = kind === "RateLimitExceeded" || kind === "DDoSProtection" || status === 429 || status === 418;
    const refused = kind === "BadSymbol" || kind === "BadRequest" || status === 400;
    throw new CodedError<BrokerErrorCode>(
      "VENUE_UNREACHABLE",
      `the exchange did not give its ${what}: ${withoutQuery(messageOf(cause)).slice(0, 200)}`,
      {
        cause,
        context: { limited, refused },
      },
    );
  }
}
