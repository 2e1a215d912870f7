import { AccountClient } from "../../../runtimes/broker/src/venues/ccxt/account-client.ts";
import { CcxtVenue } from "../../../runtimes/broker/src/venues/ccxt/ccxt-venue.ts";
import type { Ask, ExchangeDialect, RawOrder, RawTrade } from "../../../runtimes/broker/src/venues/ccxt/dialects/dialect.ts";
import type { CcxtExchange } from "../../../runtimes/broker/src/feeds/ccxt/client.ts";
import { VenueAnswer } from "../../../runtimes/broker/src/feeds/ccxt/venue-answer.ts";
import type { OpenVenue } from "../../../runtimes/broker/src/venues/venue.ts";
import { formatDecimal } from "@bellwether/trading";
import { type ExchangeModel, type ExchangeOrder, type Placement, assets, tradeTexts, windowMs } from "./exchange-model.ts";
import type { ExchangeWire, HttpAnswer, RequestKind } from "./exchange-wire.ts";
import type { SimProcess } from "./sim-process.ts";

export interface ExchangeLineOptions {
  readonly wire: ExchangeWire;
  readonly exchange: ExchangeModel;
  readonly process: SimProcess;
  readonly nowMs: () => number;
  /** Told of every request to place an order, as it leaves. */
  readonly onPlacing: (clientOrderId: string) => void;
  /** A fault put in on purpose: sends once more when no answer came. */
  readonly retriesBlindly: boolean;
}

const fingerprint = "the exchange's one key";

/** The broker's production venue for exchanges, speaking to the simulated one. */
export function openExchangeLine(options: ExchangeLineOptions): OpenVenue {
  return async ({ feed, clock, failPoints, log, journal }) => {
    const dialect = options.retriesBlindly ? blindlyRetrying(simDialect(options.onPlacing)) : simDialect(options.onPlacing);
    const client = new AccountClient(clientOf(options), dialect, clock);
    const claimKey = (): Promise<void> => journal.claimKey(fingerprint);
    return new CcxtVenue({
      name: "the exchange",
      client,
      dialect,
      fingerprint,
      claimKey,
      sandbox: false,
      feed,
      clock,
      failPoints,
      log,
    });
  };
}

type Endpoint = (parameters: never) => HttpAnswer;

/** What is used of a ccxt client: its limiter and error handling are put in by the account client, as in production. */
function clientOf({ wire, process, exchange, nowMs }: ExchangeLineOptions): CcxtExchange {
  const endpoints = endpointsOf(exchange, nowMs);
  const client = {
    throttle: async (): Promise<void> => undefined,
    handleErrors: (): unknown => undefined,
    sign: (): { headers: object } => ({ headers: {} }),
  } as unknown as CcxtExchange;
  for (const [kind, endpoint] of Object.entries(endpoints)) {
    client[kind] = async (parameters: never): Promise<unknown> => {
      await client.throttle(1);
      const { status, headers, body } = await wire.send(process, kind as RequestKind, () => endpoint(parameters));
      client.handleErrors(status, "", "", "", headers, "", body);
      return body;
    };
  }
  return client;
}

const answered = (body: object): HttpAnswer => ({ status: 200, headers: {}, body });

function endpointsOf(exchange: ExchangeModel, nowMs: () => number): Readonly<Record<RequestKind, Endpoint>> {
  return {
    place: (placement: Placement) => {
      const refusal = exchange.place(placement, nowMs());
      if (refusal !== undefined) {
        const [code = "", ...message] = refusal.split(" ");
        return { status: 400, headers: {}, body: { code: Number(code), msg: message.join(" ") } };
      }
      return answered({ order: shown(exchange.order(placement.clientId)) });
    },
    cancel: ({ clientId }: { clientId: string }) => {
      exchange.cancel(clientId);
      return answered({});
    },
    find: ({ clientId }: { clientId: string }) => answered({ order: shown(exchange.order(clientId)) }),
    trades: ({ venueOrderId }: { venueOrderId: string }) =>
      answered(
        exchange.orders.find((order) => order.venueOrderId === venueOrderId)?.trades.map((trade) => shownTrade(trade)) ?? [],
      ),
    since: () => answered([...exchange.orders.flatMap(({ trades }) => trades), ...exchange.foreignTrades].map(shownTrade)),
    open: () => answered(exchange.openOrders.map(shown)),
    balances: () => answered(assets.map((asset) => ({ asset, free: formatDecimal(exchange.balance(asset)), locked: "0" }))),
    time: () => answered({ serverTime: nowMs() + exchange.settings.clockOffsetMs }),
  };
}

function shown(order: ExchangeOrder | undefined): RawOrder | undefined {
  if (!order) return undefined;
  const { venueOrderId, clientId, state, filled } = order;
  return { venueOrderId, clientId, marketId: "SOLUSDT", state, filledQuantity: formatDecimal(filled) };
}

function shownTrade(trade: ExchangeOrder["trades"][number]): RawTrade {
  const { tradeId, venueOrderId, side, feeAsset, timeMs } = trade;
  return { tradeId, venueOrderId, marketId: "SOLUSDT", side, feeAsset, timeMs, ...tradeTexts(trade) };
}

function simDialect(onPlacing: (clientOrderId: string) => void): ExchangeDialect {
  const find: ExchangeDialect["find"] = async (ask, { clientId }) =>
    (await askFor<{ order?: RawOrder }>(ask, "find", { clientId })).order;
  return {
    credentialNames: ["apiKey", "secret"],
    validity: { windowMs, marginMs: 1_000 },
    rate: { perSecond: 1_000, burst: 1_000 },
    forgottenUntilMs: () => 0,
    marketId: () => "SOLUSDT",
    refusalIn: () => undefined,
    clockRefusal: (code) => code === "-1021",
    serverTimeMs: async (ask) => (await askFor<{ serverTime: number }>(ask, "time", {})).serverTime,
    permissions: async () => ({ mayTrade: true, mayWithdraw: false }),
    async place(ask, { marketId: _market, ...placement }) {
      onPlacing(placement.clientId);
      try {
        const { order } = await askFor<{ order: RawOrder }>(ask, "place", placement);
        return { accepted: true, order };
      } catch (error) {
        if (!(error instanceof VenueAnswer)) throw error;
        const reason = `${error.code} ${error.venueMessage}`;
        // The venue says of this one that its outcome is not told by the refusal: an order of the name is there.
        if (error.venueMessage.startsWith("duplicate")) throw error;
        return { accepted: false, reason, ...(error.code === "-1021" ? { fault: "clock" as const } : {}) };
      }
    },
    find,
    findInHistory: find,
    cancel: async (ask, { clientId }) => void (await ask("cancel", { clientId }, { urgent: true })),
    open: (ask) => askFor<RawOrder[]>(ask, "open", {}),
    tradesOf: (ask, { venueOrderId }) => askFor<RawTrade[]>(ask, "trades", { venueOrderId }),
    tradesSince: (ask) => askFor<RawTrade[]>(ask, "since", {}),
    balances: (ask) => askFor(ask, "balances", {}),
  };
}

async function askFor<T>(ask: Ask, method: string, parameters: Record<string, unknown>): Promise<T> {
  return (await ask(method, parameters)) as T;
}

/** The mutant `blind-retry`. */
function blindlyRetrying(dialect: ExchangeDialect): ExchangeDialect {
  return {
    ...dialect,
    place: (ask, request) => dialect.place(ask, request).catch(() => dialect.place(ask, request)),
  };
}
