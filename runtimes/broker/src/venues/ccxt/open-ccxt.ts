import { type Clock, CodedError } from "@bellwether/service-kit";
import type { CcxtAccountConfig } from "../../config.ts";
import type { BrokerErrorCode } from "../../errors.ts";
import { type ExchangeName, openClient } from "../../feeds/ccxt/client.ts";
import { type PublicExchange, publicExchangeOf } from "../../feeds/ccxt/public-exchange.ts";
import type { OpenVenue } from "../venue.ts";
import { AccountClient } from "./account-client.ts";
import { CcxtVenue } from "./ccxt-venue.ts";
import { fingerprintOf, readCredentials } from "./credentials.ts";
import { binanceDialect } from "./dialects/binance.ts";
import type { ExchangeDialect } from "./dialects/dialect.ts";
import { okxDialect } from "./dialects/okx.ts";
import type { Socket } from "./news-stream.ts";

/** Exchanges whose lookup by client order id has been proven against test/venues/exchange, and whose words have been read. */
const verified: Readonly<Record<string, ExchangeDialect>> = { binance: binanceDialect, okx: okxDialect };

export interface OpenCcxtOptions {
  readonly account: CcxtAccountConfig;
  readonly clock: Clock;
  readonly load: (name: ExchangeName) => Promise<unknown>;
  /** Opens a WebSocket for news of the account; absent: none are heard. */
  readonly connect?: (url: string) => Socket;
}

export interface OpenedCcxt {
  /** Market data through the account's own client: one limiter for all its requests. */
  readonly exchange: PublicExchange;
  readonly openVenue: OpenVenue;
}

/** @throws CodedError EXCHANGE_NOT_VERIFIED, EXCHANGE_UNKNOWN, CREDENTIALS_INVALID */
export async function openCcxt({ account, clock, load, connect }: OpenCcxtOptions): Promise<OpenedCcxt> {
  const { exchange, baseUrl, sandbox, credentialsDirectory } = account;
  const dialect = Object.hasOwn(verified, exchange) ? verified[exchange] : undefined;
  if (!dialect) {
    const message = `ExchangeNotVerified: live trading on ${exchange} has not been proven; it is on ${Object.keys(verified).join(", ")}`;
    throw new CodedError<BrokerErrorCode>("EXCHANGE_NOT_VERIFIED", message, { context: { exchange } });
  }
  const credentials = readCredentials(credentialsDirectory, dialect.credentialNames);
  const opened = await openClient({ exchange, baseUrl, sandbox, credentials, load });
  const client = new AccountClient(opened.client, dialect, clock);
  const channel = credentials.secret.includes("PRIVATE KEY") ? undefined : dialect.news?.({ credentials, sandbox, baseUrl });
  const fingerprint = fingerprintOf(exchange, credentials);
  return {
    exchange: publicExchangeOf(opened),
    openVenue: async ({ feed, failPoints, log, journal }) =>
      new CcxtVenue({
        name: exchange,
        client,
        dialect,
        fingerprint,
        claimKey: () => journal.claimKey(fingerprint),
        sandbox,
        feed,
        clock,
        failPoints,
        log,
        ...(channel && connect ? { news: { channel, connect } } : {}),
      }),
  };
}
