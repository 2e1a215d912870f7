import type { OrderState } from "@bellwether/trading";
import type { ProtectiveLeg, ProtectiveReport } from "../../venue.ts";
import type { Credentials } from "../credentials.ts";
import type { NewsChannel } from "../news-stream.ts";
import type { OrderShape } from "../order-shape.ts";

/** One request to the venue through ccxt's implicit method of this name. `urgent`: an order or a cancel, before all reads. */
export type Ask = (
  method: string,
  /** A list where the endpoint takes one. */
  parameters: Record<string, unknown> | readonly object[],
  options?: { urgent?: boolean },
) => Promise<unknown>;

export interface NewsOptions {
  readonly credentials: Credentials;
  readonly sandbox: boolean;
  /** Replaces the exchange's own host. */
  readonly baseUrl: string | undefined;
}

const headersKey = "bellwether:headers";

/** Headers beside the signed ones, as a parameter of {@link Ask}: ccxt's own methods have no place for them. */
export function headersOf(headers: Readonly<Record<string, string>>): Record<string, unknown> {
  return { [headersKey]: headers };
}

const signedAtKey = "bellwether:signedAt";

/**
 * Signs the request as of this instant of the venue's clock, as a parameter of {@link Ask}: where an endpoint has no deadline of its own, the age of
 * its signature is one, and must count from "about to send".
 */
export function signedAt(timestampMs: number): Record<string, unknown> {
  return { [signedAtKey]: timestampMs };
}

/** What stands in parameters for our side only, and the rest of them, which goes to the venue. */
export function splitParameters(parameters: object): {
  rest: object;
  headers: Record<string, string>;
  signedAtMs?: number;
} {
  if (Array.isArray(parameters)) return { rest: parameters, headers: {} };
  const { [headersKey]: headers = {}, [signedAtKey]: signedAtMs, ...rest } = parameters as Record<string, unknown>;
  return {
    rest,
    headers: headers as Record<string, string>,
    ...(typeof signedAtMs === "number" ? { signedAtMs } : {}),
  };
}

/** An order as the venue reports it, under the id we gave it there. */
export interface RawOrder {
  readonly venueOrderId: string;
  /** Empty: another hand placed it without one. */
  readonly clientId: string;
  readonly marketId: string;
  readonly state: Extract<OrderState, "Working" | "Filled" | "Cancelled" | "Expired" | "Rejected">;
  readonly filledQuantity: string;
  readonly reason?: string;
}

export interface RawTrade {
  /** Unique in the account, not only in the market. */
  readonly tradeId: string;
  readonly venueOrderId: string;
  readonly marketId: string;
  readonly side: "buy" | "sell";
  readonly quantity: string;
  readonly price: string;
  /** Negative: a rebate. */
  readonly fee: string;
  readonly feeAsset: string;
  readonly timeMs: number;
}

export interface PlaceRequest extends OrderShape {
  readonly marketId: string;
  readonly clientId: string;
  /** Venue's clock. The venue refuses the request when it arrives later than the window after it. */
  readonly timestampMs: number;
}

export type PlaceReply =
  /** `outdated`: the answer only says that the order was taken; it may have filled at once. */
  | { readonly accepted: true; readonly order: RawOrder; readonly trades?: readonly RawTrade[]; readonly outdated?: boolean }
  | { readonly accepted: false; readonly reason: string; readonly fault?: "clock" | "credentials" };

export interface OrderQuery {
  readonly marketId: string;
  readonly clientId: string;
  readonly venueOrderId?: string;
}

/** Protective legs as they are sent, or asked about. */
export interface LegsRequest {
  readonly marketId: string;
  readonly quantity: string;
  /** One or two, the stop first; the first one's id names the whole where the venue wants one name. */
  readonly legs: readonly { readonly leg: ProtectiveLeg; readonly id: string; readonly price: string }[];
  /** Venue's clock; of "about to send". */
  readonly timestampMs: number;
}

export type LegsReply = { readonly accepted: true } | Extract<PlaceReply, { accepted: false }>;

/** Stops and targets that rest at the exchange, one ending the other. */
export interface LegsDialect {
  /** After this time the venue takes no request to place them any more. */
  readonly validity: { readonly windowMs: number; readonly marginMs: number };
  place(ask: Ask, request: LegsRequest): Promise<LegsReply>;
  /** One report for each leg; undefined when the venue does not know them. */
  find(ask: Ask, request: LegsRequest): Promise<readonly ProtectiveReport[] | undefined>;
  /** Whether open orders and history show nothing of them, either. */
  absent(ask: Ask, request: LegsRequest): Promise<boolean>;
  cancel(ask: Ask, request: LegsRequest): Promise<void>;
  /** Price of the last trade. */
  lastPrice(ask: Ask, marketId: string): Promise<string>;
}

/**
 * One exchange's words: endpoints, fields, and which of its refusals are definite. Everything else about live trading is in the venue. A method
 * throws VENUE_UNREACHABLE, or VenueAnswer for a refusal that it does not know how to read.
 */
export interface ExchangeDialect {
  /** Keys of the Secret. */
  readonly credentialNames: readonly ("apiKey" | "secret" | "password")[];
  /** The window after its time stamp in which the venue takes a request, and what clocks and networks may add. */
  readonly validity: { readonly windowMs: number; readonly marginMs: number };
  /** Cost units a second that ccxt's weights stand for, and how many may be spent at once. */
  readonly rate: { readonly perSecond: number; readonly burst: number };
  /** Instant up to which the venue may have forgotten orders, given its own now. */
  forgottenUntilMs(nowMs: number): number;
  marketId(symbol: string): string;
  /** A refusal inside an answer of status 200. */
  refusalIn(body: unknown): { code: string; message: string } | undefined;
  /** This refusal says that the time stamp is outside the window: nothing about the order or the key. */
  clockRefusal(code: string): boolean;
  serverTimeMs(ask: Ask): Promise<number>;
  permissions(ask: Ask): Promise<{ mayTrade: boolean; mayWithdraw: boolean }>;
  place(ask: Ask, request: PlaceRequest): Promise<PlaceReply>;
  find(ask: Ask, query: OrderQuery): Promise<RawOrder | undefined>;
  /** Looked for in another place than `find` looks: history since an instant. */
  findInHistory(ask: Ask, query: OrderQuery & { sinceMs: number }): Promise<RawOrder | undefined>;
  cancel(ask: Ask, query: OrderQuery): Promise<void>;
  open(ask: Ask): Promise<readonly RawOrder[]>;
  tradesOf(ask: Ask, query: { marketId: string; venueOrderId: string }): Promise<readonly RawTrade[]>;
  tradesSince(ask: Ask, query: { marketId: string; sinceMs: number }): Promise<readonly RawTrade[]>;
  balances(ask: Ask): Promise<readonly { asset: string; free: string; locked: string }[]>;
  cancelAllAfter?(ask: Ask, timeoutMs: number): Promise<void>;
  /** Absent: orders with stops are refused. */
  readonly legs?: LegsDialect;
  /** Where and how news of the account is to be had; absent: orders are asked about only. */
  news?(options: NewsOptions): NewsChannel;
}
