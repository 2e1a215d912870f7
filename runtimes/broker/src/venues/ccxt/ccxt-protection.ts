import { hasCode } from "@bellwether/service-kit";
import { type Decimal, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import type { FailPoints } from "../../fail-points.ts";
import type { MarketFeed } from "../../feeds/feed.ts";
import type { ProtectiveOrder, ProtectiveReply, ProtectiveReport, ProtectiveVenue, VenueTrade } from "../venue.ts";
import type { Ask, ExchangeDialect, LegsDialect, LegsRequest, PlaceRequest, RawTrade } from "./dialects/dialect.ts";
import { onStep } from "./order-shape.ts";

export interface CcxtProtectionOptions {
  readonly ask: Ask;
  readonly dialect: ExchangeDialect;
  readonly legs: LegsDialect;
  readonly feed: MarketFeed;
  readonly failPoints: FailPoints;
  /** Venue's clock minus ours; undefined while it is not known, and then nothing is sent. */
  readonly offsetMs: () => number | undefined;
  /** A call whose refusal says nothing of what was asked for. */
  readonly read: <T>(call: () => Promise<T>) => Promise<T>;
  /** Told why a placement was refused, as of any order. */
  readonly refused: (reply: { readonly reason: string; readonly fault?: "clock" | "credentials" }) => void;
  readonly trade: (raw: RawTrade, of: { clientOrderId: string; market: string }) => VenueTrade;
}

/** Protective legs at an exchange, in its dialect's words. Legs that the price has passed go as market sells, under their own ids. */
export class CcxtProtection implements ProtectiveVenue {
  readonly #options: CcxtProtectionOptions;
  readonly validity;

  constructor(options: CcxtProtectionOptions) {
    this.#options = options;
    this.validity = options.legs.validity;
  }

  async place(order: ProtectiveOrder): Promise<ProtectiveReply> {
    const { ask, dialect, legs, feed, failPoints } = this.#options;
    const [offsetMs, rules] = [this.#options.offsetMs(), feed.rules(order.market)];
    if (offsetMs === undefined) return { accepted: false, reason: "CLOCK_OFFSET: the venue's clock is not known" };
    if (!rules) return { accepted: false, reason: `MARKET_UNKNOWN: ${order.market} is not listed any more` };
    try {
      const request = {
        ...this.#request(order),
        quantity: onStep(order.quantity, rules.quantityStep),
        legs: order.legs.map((leg) => ({ ...leg, price: onStep(leg.price, rules.priceStep) })),
        timestampMs: order.aboutToSendAtMs + offsetMs,
      };
      const reply = order.atMarket ? await dialect.place(ask, marketSale(request)) : await legs.place(ask, request);
      if (reply.accepted) failPoints.pass("after-venue-accept");
      else this.#options.refused(reply);
      return reply.accepted ? { accepted: true } : { accepted: false, reason: reply.reason };
    } catch (error) {
      const reason = neverLeft(error);
      if (reason === undefined) throw error;
      return { accepted: false, reason };
    }
  }

  lookup(order: ProtectiveOrder): Promise<readonly ProtectiveReport[] | undefined> {
    const { ask, dialect, legs, read } = this.#options;
    const request = this.#request(order);
    if (!order.atMarket) return read(async () => (await legs.find(ask, request))?.map(canonicalReport));
    const [only] = order.legs;
    return read(async () => {
      const found = await dialect.find(ask, { marketId: request.marketId, clientId: only?.id ?? "" });
      if (!found || !only) return undefined;
      const { state, filledQuantity, venueOrderId } = found;
      return [canonicalReport({ leg: only.leg, state, filledQuantity, venueOrderId })];
    });
  }

  async absent(order: ProtectiveOrder): Promise<boolean> {
    const { ask, dialect, legs, read } = this.#options;
    const request = this.#request(order);
    if (!order.atMarket) return read(() => legs.absent(ask, request));
    const clientId = order.legs[0]?.id ?? "";
    const sinceMs = Math.max(0, order.aboutToSendAtMs - 60_000);
    const open = await read(() => dialect.open(ask));
    if (open.some((raw) => raw.clientId === clientId)) return false;
    return (await read(() => dialect.findInHistory(ask, { marketId: request.marketId, clientId, sinceMs }))) === undefined;
  }

  async cancel(order: ProtectiveOrder): Promise<void> {
    const { ask, dialect, legs, read } = this.#options;
    const request = this.#request(order);
    const clientId = order.legs[0]?.id ?? "";
    await read(() =>
      order.atMarket ? dialect.cancel(ask, { marketId: request.marketId, clientId }) : legs.cancel(ask, request),
    );
  }

  async trades(order: ProtectiveOrder, reports: readonly ProtectiveReport[]): Promise<readonly VenueTrade[]> {
    const { ask, dialect, read, trade } = this.#options;
    const { marketId } = this.#request(order);
    const found = new Map<string, VenueTrade>();
    for (const { leg, filledQuantity, venueOrderId } of reports) {
      if (venueOrderId === undefined || parseDecimal(filledQuantity) === 0n) continue;
      for (const raw of await read(() => dialect.tradesOf(ask, { marketId, venueOrderId })))
        found.set(raw.tradeId, { ...trade(raw, order), leg });
    }
    return [...found.values()].sort((a, b) => a.time - b.time || (a.tradeId < b.tradeId ? -1 : 1));
  }

  async price(market: string): Promise<Decimal> {
    const { ask, dialect, legs, read } = this.#options;
    return parseDecimal(await read(() => legs.lastPrice(ask, dialect.marketId(market))));
  }

  #request({ market, quantity, legs, aboutToSendAtMs }: ProtectiveOrder): LegsRequest {
    const timestampMs = aboutToSendAtMs + (this.#options.offsetMs() ?? 0);
    return { marketId: this.#options.dialect.marketId(market), quantity, legs, timestampMs };
  }
}

function marketSale({ marketId, quantity, legs, timestampMs }: LegsRequest): PlaceRequest {
  const clientId = legs[0]?.id ?? "";
  return { marketId, quantity, clientId, timestampMs, side: "sell", type: "market", timeInForce: "IOC", postOnly: false };
}

function canonicalReport(report: ProtectiveReport): ProtectiveReport {
  return { ...report, filledQuantity: formatDecimal(parseDecimal(report.filledQuantity)) };
}

/** Why a request was held back on our side; undefined when it may have left. */
export function neverLeft(error: unknown): string | undefined {
  if (!hasCode<BrokerErrorCode>(error)) return undefined;
  if (error.code !== "VENUE_UNREACHABLE") return `${error.code}: ${error.message}`;
  return error.context["held"] === true ? `RATE_LIMITED: ${error.message}` : undefined;
}
