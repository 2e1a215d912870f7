import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../../errors.ts";

/** The exchanges whose public data this image carries. */
const exchangeNames = ["binance", "bybit", "coinbase", "kraken", "okx"] as const;
export type ExchangeName = (typeof exchangeNames)[number];

/** What is used of a ccxt exchange object; its own declarations are mostly `any`. Members named by path are its implicit methods, one for each endpoint. */
export interface CcxtExchange {
  urls: Record<string, unknown>;
  has: Record<string, unknown>;
  timeframes: Record<string, unknown>;
  precisionMode: number;
  markets: Record<string, unknown> | undefined;
  hostname?: string;
  throttle(cost?: number): Promise<void>;
  milliseconds(): number;
  /** Path, API, method, parameters, headers, body. */
  sign(...request: unknown[]): { headers?: Record<string, string> };
  handleErrors(...answer: unknown[]): unknown;
  setSandboxMode(on: boolean): void;
  loadMarkets(reload?: boolean, parameters?: Record<string, unknown>): Promise<unknown>;
  fetchTime(): Promise<unknown>;
  fetchOHLCV(symbol: string, timeframe: string, since: number, limit: number): Promise<unknown>;
  [implicit: string]: unknown;
}
type CcxtClass = new (options: Record<string, unknown>) => CcxtExchange;

const requestTimeoutMs = 10_000;

export interface OpenClientOptions {
  readonly exchange: string;
  readonly baseUrl?: string | undefined;
  readonly sandbox?: boolean;
  readonly credentials?: { readonly apiKey: string; readonly secret: string; readonly password?: string };
  /** Imports the module of one exchange; the composition root knows where it stands, in a checkout or in an image. */
  readonly load: (name: ExchangeName) => Promise<unknown>;
}

export interface OpenedClient {
  readonly name: ExchangeName;
  readonly client: CcxtExchange;
}

/** @throws CodedError EXCHANGE_UNKNOWN */
export async function openClient({ exchange, baseUrl, sandbox, credentials, load }: OpenClientOptions): Promise<OpenedClient> {
  const name = exchangeNames.find((known) => known === exchange);
  if (!name) {
    const message = `no exchange ${exchange}; this broker carries ${exchangeNames.join(", ")}`;
    throw new CodedError<BrokerErrorCode>("EXCHANGE_UNKNOWN", message, { context: { exchange } });
  }
  const module = (await load(name)) as { default: CcxtClass };
  const client = new module.default({
    enableRateLimit: true,
    timeout: requestTimeoutMs,
    ...credentials,
    // Derivatives are not traded, and each kind of market is another request and another ten megabytes.
    options: { fetchMarkets: { types: ["spot"] }, fetchCurrencies: false, fetchMargins: false },
  });
  // With a key some exchanges are asked for every coin they can pay out: nothing of that is used.
  client.has["fetchCurrencies"] = false;
  if (sandbox === true) client.setSandboxMode(true);
  if (baseUrl !== undefined) client.urls["api"] = redirected(client.urls["api"], baseUrl);
  return { name, client };
}

/** Every address of the exchange, with host and scheme of another. */
function redirected(api: unknown, baseUrl: string): unknown {
  if (typeof api === "string") return baseUrl.replace(/\/$/, "") + api.replace(/^https?:\/\/[^/]+/, "");
  if (typeof api !== "object" || api === null) return api;
  return Object.fromEntries(Object.entries(api).map(([key, value]) => [key, redirected(value, baseUrl)]));
}
