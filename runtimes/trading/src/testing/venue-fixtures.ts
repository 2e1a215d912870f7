import { parseDecimal, type Decimal } from "../decimal.ts";
import { tradingCosts } from "../sizing/cost.ts";
import { marketTerms } from "../venue/market-terms.ts";
import { stepVenue } from "../venue/paper-venue.ts";
import {
  emptyVenue,
  type OrderRequest,
  type PaperCommand,
  type PaperEvent,
  type PaperVenueConfig,
  type PaperVenueState,
  type VenueBar,
} from "../venue/paper-state.ts";

export const MARKET = "BTC/USDT";
export const MINUTE_MS = 60_000;

/** A venue for BTC/USDT: no fee, no slippage, the whole volume fills unless told. */
export function venueConfig(
  given: { feeBps?: string; slippageBps?: string; volumeShare?: string; volumeUnit?: "Base" | "Quote" } = {},
): PaperVenueConfig {
  const terms = (symbol: string, base: string) =>
    marketTerms({ symbol, base, quote: "USDT", quantityStep: "0.00000001", priceStep: "0.0000000001", minNotional: "1" });
  return {
    markets: new Map([
      [MARKET, terms(MARKET, "BTC")],
      ["ETH/USDT", terms("ETH/USDT", "ETH")],
    ]),
    costs: tradingCosts({ feeBps: given.feeBps ?? "0", slippageBps: given.slippageBps ?? "0" }),
    volumeShare: parseDecimal(given.volumeShare ?? "1"),
    volumeUnit: given.volumeUnit ?? "Base",
  };
}

interface RequestText {
  id?: string;
  owner?: string;
  market?: string;
  side?: "buy" | "sell";
  quantity?: string;
  limit?: string;
  timeInForce?: OrderRequest["timeInForce"];
  stopLoss?: string;
  takeProfit?: string;
  maxCost?: string;
  reduceOnly?: boolean;
  expiresAt?: number;
  decisionTime?: number;
}

const optional = (text: string | undefined): Decimal | undefined => (text === undefined ? undefined : parseDecimal(text));

/** A market buy of one BTC unless told. */
export function request(given: RequestText = {}): OrderRequest {
  return {
    clientOrderId: given.id ?? "a",
    owner: given.owner ?? "strategy-1",
    market: given.market ?? MARKET,
    side: given.side ?? "buy",
    type: given.limit === undefined ? "market" : "limit",
    quantity: parseDecimal(given.quantity ?? "1"),
    limit: optional(given.limit),
    timeInForce: given.timeInForce ?? "GTC",
    stopLoss: optional(given.stopLoss),
    takeProfit: optional(given.takeProfit),
    maxCost: optional(given.maxCost),
    reduceOnly: given.reduceOnly ?? given.side === "sell",
    decisionTime: given.decisionTime ?? 0,
    expiresAt: given.expiresAt,
  };
}

/** Bar `minute` with open, high, low, close; volume 1,000. */
function venueBar(minute: number, [open, high, low, close]: readonly [number, number, number, number], volume = 1000): VenueBar {
  return { time: minute * MINUTE_MS, open, high, low, close, volume };
}

/** A venue that keeps its events: tests tell it what happens and look at what came of it. */
export class TestVenue {
  state: PaperVenueState = emptyVenue();
  readonly events: PaperEvent[] = [];
  readonly config: PaperVenueConfig;

  constructor(config: PaperVenueConfig = venueConfig(), balances: Readonly<Record<string, string>> = { USDT: "1000" }) {
    this.config = config;
    for (const [asset, amount] of Object.entries(balances)) this.do({ type: "deposit", asset, amount: parseDecimal(amount) });
  }

  do(command: PaperCommand): readonly PaperEvent[] {
    const { state, events } = stepVenue(this.state, command, this.config);
    this.state = state;
    this.events.push(...events);
    return events;
  }

  place(given: RequestText, at = 0): readonly PaperEvent[] {
    return this.do({ type: "place", request: request(given), at });
  }

  bar(minute: number, prices: readonly [number, number, number, number], volume = 1000): readonly PaperEvent[] {
    return this.do({ type: "bar", market: MARKET, bar: venueBar(minute, prices, volume) });
  }
}
