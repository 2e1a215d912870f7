import {
  type Clock,
  type Logger,
  type TokenVerifier,
  createApiServer,
  parseRequest,
  requireCaller,
  sendEvents,
} from "@bellwether/service-kit";
import {
  type BrokerAccount,
  type BrokerOrder,
  type WireBar,
  approval,
  cancelOrderRequest,
  controlReason,
  controlWho,
  voidRequest,
} from "@bellwether/trading";
import { z } from "zod";
import { brokerStatus } from "./errors.ts";
import type { BarsQuery } from "./feeds/feed.ts";
import type { StreamHub } from "./stream-hub.ts";

/** What the API offers, without how: the broker of an account. */
export interface BrokerService {
  submit(request: z.output<typeof approval>): Promise<BrokerOrder>;
  find(clientOrderId: string): Promise<BrokerOrder>;
  void(clientOrderId: string, request: z.output<typeof voidRequest>): Promise<BrokerOrder>;
  cancel(clientOrderId: string, legs: "entry" | "all"): Promise<BrokerOrder>;
  account(): Promise<BrokerAccount>;
  bars(query: BarsQuery): Promise<readonly WireBar[]>;
  watch(market: string, timeframe: string): void;
  /** Risk has spoken; `readsAccount`: it asks how the account stands. */
  heard(readsAccount: boolean): void;
  /** Takes orders of other hands at the venue for what they are, on a person's word. */
  adopt(who: string, reason: string): Promise<{ adopted: number }>;
}

export interface ApiOptions {
  readonly service: BrokerService;
  readonly hub: StreamHub;
  readonly verifier?: TokenVerifier;
  readonly riskSubject: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const heartbeatMs = 2_000;
const mostBars = 5_000;

const barsQuery = z.strictObject({
  market: z.string().min(1).max(100),
  timeframe: z.string().regex(/^[1-9]\d{0,3}[smhdw]$/, "must be a timeframe such as 1m, 5m, 1h or 1d"),
  limit: z.coerce.number().int().min(1).max(mostBars).default(500),
  until: z.coerce.number().int().nonnegative().optional(),
});
/** `<market>|<timeframe>`, separated by commas: the bars a reader of the stream wants to hear of besides the configured ones. */
const streamQuery = z.looseObject({ bars: z.string().max(8_000).default("") });
const series = /^([^|,]{1,100})\|([1-9]\d{0,3}[smhdw])$/;
const adoptRequest = z.strictObject({ who: controlWho, reason: controlReason });
const orderPath = z.strictObject({ clientOrderId: z.string().min(1).max(64) });

/** The broker's HTTP interface. Every route is risk's alone. */
export function createBrokerApi(options: ApiOptions): ReturnType<typeof createApiServer> {
  const { service, hub, clock, log, verifier, riskSubject } = options;
  const server = createApiServer({ log, statusOf: brokerStatus, maxBodyBytes: 64 * 1024, ...(verifier ? { verifier } : {}) });
  if (verifier) server.addHook("preHandler", async (request) => requireCaller(request, [riskSubject]));
  server.addHook("preHandler", async (request) => service.heard(request.url.startsWith("/v1/account")));
  const idOf = (params: unknown): string => parseRequest(orderPath, params).clientOrderId;

  server.post("/v1/orders", async (request) => service.submit(parseRequest(approval, request.body)));
  server.get("/v1/orders/:clientOrderId", async (request) => service.find(idOf(request.params)));
  server.post("/v1/orders/:clientOrderId/void", async (request) =>
    service.void(idOf(request.params), parseRequest(voidRequest, request.body)),
  );
  server.post("/v1/orders/:clientOrderId/cancel", async (request) =>
    service.cancel(idOf(request.params), parseRequest(cancelOrderRequest, request.body).legs),
  );
  server.post("/v1/adopt", async (request) => {
    const { who, reason } = parseRequest(adoptRequest, request.body);
    return service.adopt(who, reason);
  });
  server.get("/v1/account", async () => service.account());
  server.get("/v1/bars", async (request) => {
    const { market, timeframe, limit, until } = parseRequest(barsQuery, request.query);
    const bars = await service.bars({ market, timeframe, limit, ...(until === undefined ? {} : { untilMs: until }) });
    return { market, timeframe, bars };
  });
  server.get("/v1/stream", (request, reply) => {
    for (const text of parseRequest(streamQuery, request.query).bars.split(",")) {
      const [, market, timeframe] = series.exec(text) ?? [];
      if (market !== undefined && timeframe !== undefined) service.watch(market, timeframe);
    }
    hub.add(sendEvents(reply, { heartbeatMs, clock }));
  });
  return server;
}
