import { AccountClient } from "../../../runtimes/broker/src/venues/ccxt/account-client.ts";
import { CcxtVenue } from "../../../runtimes/broker/src/venues/ccxt/ccxt-venue.ts";
import type {
  Ask,
  ExchangeDialect,
  LegsDialect,
  LegsRequest,
  RawOrder,
  RawTrade,
} from "../../../runtimes/broker/src/venues/ccxt/dialects/dialect.ts";
import type { CcxtExchange } from "../../../runtimes/broker/src/feeds/ccxt/client.ts";
import { VenueAnswer } from "../../../runtimes/broker/src/feeds/ccxt/venue-answer.ts";
import type { OpenVenue, ProtectiveReport } from "../../../runtimes/broker/src/venues/venue.ts";
import { formatDecimal } from "@bellwether/trading";
import type { Mutant } from "../mutants.ts";
import {
  type ExchangeLeg,
  type ExchangeModel,
  type ExchangeOrder,
  type LegsPlacement,
  type Placement,
  assets,
  tradeTexts,
  windowMs,
} from "./exchange-model.ts";
import type { ExchangeWire, HttpAnswer, RequestKind } from "./exchange-wire.ts";
import type { SimProcess } from "./sim-process.ts";

export interface ExchangeLineOptions {
  readonly wire: ExchangeWire;
  readonly exchange: ExchangeModel;
  readonly process: SimProcess;
  readonly nowMs: () => number;
  /** Told of every request to place an order, as it leaves. */
  readonly onPlacing: (clientOrderId: string) => void;
  /** Told of every request to let legs rest, as it leaves. */
  readonly onProtecting: (ids: readonly string[]) => void;
  /** A fault put in on purpose, in what is said to the exchange. */
  readonly mutant: Mutant | undefined;
}

const validity = { windowMs, marginMs: 1_000 };
const fingerprint = "the exchange's one key";

/** The broker's production venue for exchanges, speaking to the simulated one. */
export function openExchangeLine(options: ExchangeLineOptions): OpenVenue {
  return async ({ feed, clock, failPoints, log, journal }) => {
    const dialect = mutated(simDialect(options), options.mutant);
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
  const endpoints = { ...orderEndpoints(exchange, nowMs), ...legEndpoints(exchange, nowMs) };
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

/** @param refusal its code, and then what it says */
function refused(refusal: string): HttpAnswer {
  const [code = "", ...message] = refusal.split(" ");
  return { status: 400, headers: {}, body: { code: Number(code), msg: message.join(" ") } };
}

type LegRequestKind = "protect" | "release" | "legs" | "price";

function legEndpoints(exchange: ExchangeModel, nowMs: () => number): Readonly<Record<LegRequestKind, Endpoint>> {
  return {
    protect: (placement: LegsPlacement) => {
      const refusal = exchange.placeLegs(placement, nowMs());
      return refusal === undefined ? answered({}) : refused(refusal);
    },
    release: ({ ids }: { ids: readonly string[] }) => {
      for (const id of ids) exchange.cancel(id);
      return answered({});
    },
    legs: ({ ids }: { ids: readonly string[] }) =>
      answered({ legs: exchange.legs.filter(({ clientId }) => ids.includes(clientId)).map(legReport) }),
    price: () => answered({ price: formatDecimal(exchange.price) }),
  };
}

function legReport({ leg, state, filled, venueOrderId }: ExchangeLeg): ProtectiveReport {
  return { leg, state, filledQuantity: formatDecimal(filled), venueOrderId };
}

function orderEndpoints(
  exchange: ExchangeModel,
  nowMs: () => number,
): Readonly<Record<Exclude<RequestKind, LegRequestKind>, Endpoint>> {
  return {
    place: (placement: Placement) => {
      const refusal = exchange.place(placement, nowMs());
      return refusal === undefined ? answered({ order: shown(exchange.order(placement.clientId)) }) : refused(refusal);
    },
    cancel: ({ clientId }: { clientId: string }) => {
      exchange.cancel(clientId);
      return answered({});
    },
    find: ({ clientId }: { clientId: string }) => answered({ order: shown(exchange.order(clientId)) }),
    trades: ({ venueOrderId }: { venueOrderId: string }) =>
      answered(
        everyOrder(exchange)
          .find((order) => order.venueOrderId === venueOrderId)
          ?.trades.map((trade) => shownTrade(trade)) ?? [],
      ),
    since: () => answered([...everyOrder(exchange).flatMap(({ trades }) => trades), ...exchange.foreignTrades].map(shownTrade)),
    open: () => answered(exchange.openOrders.map(shown)),
    balances: () => answered(assets.map((asset) => ({ asset, free: formatDecimal(exchange.balance(asset)), locked: "0" }))),
    time: () => answered({ serverTime: nowMs() + exchange.settings.clockOffsetMs }),
  };
}

function everyOrder({ orders, legs }: ExchangeModel): readonly ExchangeOrder[] {
  return [...orders, ...legs];
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

type Told = Pick<ExchangeLineOptions, "onPlacing" | "onProtecting">;

function simDialect({ onPlacing, onProtecting }: Told): ExchangeDialect {
  const find: ExchangeDialect["find"] = async (ask, { clientId }) =>
    (await askFor<{ order?: RawOrder }>(ask, "find", { clientId })).order;
  return {
    credentialNames: ["apiKey", "secret"],
    validity,
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
        return refusalIn(error);
      }
    },
    find,
    findInHistory: find,
    cancel: async (ask, { clientId }) => void (await ask("cancel", { clientId }, { urgent: true })),
    open: (ask) => askFor<RawOrder[]>(ask, "open", {}),
    tradesOf: (ask, { venueOrderId }) => askFor<RawTrade[]>(ask, "trades", { venueOrderId }),
    tradesSince: (ask) => askFor<RawTrade[]>(ask, "since", {}),
    balances: (ask) => askFor(ask, "balances", {}),
    legs: simLegs(onProtecting),
  };
}

function simLegs(onProtecting: Told["onProtecting"]): LegsDialect {
  const idsOf = ({ legs }: LegsRequest): readonly string[] => legs.map(({ id }) => id);
  return {
    validity,
    async place(ask, request) {
      onProtecting(idsOf(request));
      const { quantity, legs, timestampMs } = request;
      try {
        await ask("protect", { quantity, legs, timestampMs }, { urgent: true });
        return { accepted: true };
      } catch (error) {
        return refusalIn(error);
      }
    },
    async find(ask, request) {
      const { legs } = await askFor<{ legs: ProtectiveReport[] }>(ask, "legs", { ids: idsOf(request) });
      return legs.length === 0 ? undefined : legs;
    },
    async absent(ask, request) {
      const ids = new Set(idsOf(request));
      return (await askFor<RawOrder[]>(ask, "open", {})).every(({ clientId }) => !ids.has(clientId));
    },
    cancel: async (ask, request) => void (await ask("release", { ids: idsOf(request) }, { urgent: true })),
    lastPrice: async (ask) => (await askFor<{ price: string }>(ask, "price", {})).price,
  };
}

/** @throws what is no refusal, or one that does not tell what became of the request: an order of the name is there */
function refusalIn(error: unknown): { accepted: false; reason: string; fault?: "clock" } {
  if (!(error instanceof VenueAnswer) || error.venueMessage.startsWith("duplicate")) throw error;
  const reason = `${error.code} ${error.venueMessage}`;
  return { accepted: false, reason, ...(error.code === "-1021" ? { fault: "clock" } : {}) };
}

async function askFor<T>(ask: Ask, method: string, parameters: Record<string, unknown>): Promise<T> {
  return (await ask(method, parameters)) as T;
}

/** The mutants `blind-retry` and `forget-legs`. */
function mutated(dialect: ExchangeDialect, mutant: Mutant | undefined): ExchangeDialect {
  if (mutant === "blind-retry")
    return { ...dialect, place: (ask, request) => dialect.place(ask, request).catch(() => dialect.place(ask, request)) };
  const { legs } = dialect;
  return mutant === "forget-legs" && legs ? { ...dialect, legs: forgetful(legs) } : dialect;
}

/** Legs that are to give way count as gone, and nobody has told the exchange. */
function forgetful(legs: LegsDialect): LegsDialect {
  const gone = new Set<string>();
  const nameOf = (request: LegsRequest): string => request.legs[0]?.id ?? "";
  return {
    ...legs,
    cancel: async (_ask, request) => void gone.add(nameOf(request)),
    async find(ask, request) {
      const reports = await legs.find(ask, request);
      if (!gone.has(nameOf(request))) return reports;
      return reports?.map((report) => (report.state === "Working" ? { ...report, state: "Cancelled" as const } : report));
    },
  };
}
