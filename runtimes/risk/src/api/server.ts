import {
  type Caller,
  type Clock,
  CodedError,
  type Logger,
  type TokenVerifier,
  createApiServer,
  parseRequest,
  requireCaller,
  sendEvents,
} from "@bellwether/service-kit";
import { decisionRequest, strategyRegistration, symbol, timeframe, uid } from "@bellwether/trading";
import { z } from "zod";
import { type RiskErrorCode, riskStatus } from "../errors.ts";
import { firstFlattenOrdinal } from "../orders/flatten-ordinals.ts";
import type { RiskService } from "../service.ts";
import { addControlRoutes } from "./control-routes.ts";
import type { EventHub } from "./event-hub.ts";

export interface RiskApiOptions {
  readonly service: RiskService;
  readonly hub: EventHub;
  readonly verifier: TokenVerifier;
  readonly operatorSubject: string;
  /** Subjects that may control the policy and read all of it, besides the operator. */
  readonly controllers?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

type Server = ReturnType<typeof createApiServer>;

const heartbeatMs = 2_000;
const maxStreamsPerStrategy = 4;
const maxPolicyStreams = 32;
const maxBodyBytes = 2 * 1024 * 1024;

const uidParameter = z.object({ uid });
const deleteQuery = z.object({ onDelete: z.enum(["Keep", "Flatten"]).default("Keep") });
/** Without a strategy: the whole policy. */
const streamQuery = z.object({ strategy: uid.optional() });
const barsQuery = z.object({
  market: symbol,
  timeframe,
  limit: z.coerce.number().int().min(1).max(5_000).optional(),
  until: z.coerce.number().int().nonnegative().optional(),
  /** Whose account's broker is asked; by default the one strategy that the caller speaks for. */
  strategy: uid.optional(),
});

/** risk's HTTP surface: agents speak for their own strategy only, the operator for all. */
export function createRiskApi(options: RiskApiOptions): Server {
  const { log, verifier } = options;
  const server = createApiServer({ log, verifier, maxBodyBytes, statusOf: riskStatus });
  addOperatorRoutes(server, options);
  addControlRoutes(server, { service: options.service, controllers: controllersOf(options) });
  addAgentRoutes(server, options);
  return server;
}

function addOperatorRoutes(server: Server, options: RiskApiOptions): void {
  const { service, operatorSubject } = options;
  const operator = [operatorSubject];
  const readers = controllersOf(options);
  server.put("/v1/strategies/:uid", async (request) => {
    requireCaller(request, operator);
    const registration = parseRequest(strategyRegistration, request.body);
    const { uid: named } = parseRequest(uidParameter, request.params);
    if (named !== registration.uid)
      throw new CodedError("INVALID_BODY", `uid: the path says ${named}, the body ${registration.uid}`);
    return service.register(registration);
  });
  server.delete("/v1/strategies/:uid", async (request) => {
    requireCaller(request, operator);
    const { uid: named } = parseRequest(uidParameter, request.params);
    return service.delete(named, parseRequest(deleteQuery, request.query).onDelete);
  });
  server.get("/v1/portfolio", async (request) => {
    requireCaller(request, readers);
    return service.portfolio();
  });
}

function controllersOf({ operatorSubject, controllers = [] }: RiskApiOptions): readonly string[] {
  return [operatorSubject, ...controllers];
}

function addAgentRoutes(server: Server, options: RiskApiOptions): void {
  const { service, operatorSubject } = options;
  server.post("/v1/intents", async (request) => {
    const decision = parseRequest(decisionRequest, request.body);
    requireVoice(service, decision.strategyUid, { caller: request.caller });
    requireUsableOrdinals(decision);
    return service.decide(decision);
  });
  server.get("/v1/strategies/:uid", async (request) => {
    const { uid: named } = parseRequest(uidParameter, request.params);
    requireVoice(service, named, { caller: request.caller, operatorSubject });
    return service.snapshot(named);
  });
  server.get("/v1/bars", async (request) => {
    const { strategy, ...query } = parseRequest(barsQuery, request.query);
    const named = strategy ?? service.strategyOf(request.caller.subject)?.uid;
    if (named === undefined) throw notRegistered(request.caller);
    requireVoice(service, named, { caller: request.caller, operatorSubject });
    const bars = await service.bars(named, query);
    return { market: query.market, timeframe: query.timeframe, bars };
  });
  server.get("/v1/stream", async (request, reply) => {
    const { strategy } = parseRequest(streamQuery, request.query);
    if (strategy === undefined) {
      requireCaller(request, controllersOf(options));
      openPolicyStream(options, reply);
      return;
    }
    requireVoice(service, strategy, { caller: request.caller });
    openStream(options, strategy, reply);
  });
}

/** Equity, P&L and positions of the whole policy: as they are now, then whenever they change. */
function openPolicyStream({ service, hub, clock }: RiskApiOptions, reply: Parameters<typeof sendEvents>[0]): void {
  if (hub.policyStreams >= maxPolicyStreams)
    throw new CodedError<RiskErrorCode>("TOO_MANY_STREAMS", `${maxPolicyStreams} streams of the policy are open already`);
  const event = service.equity();
  const sink = sendEvents(reply, { heartbeatMs, clock });
  sink.send({ event: "equity", data: event });
  sink.onClose(hub.subscribePolicy(sink));
}

/** The snapshot first, then whatever happens; a reader of more streams than a strategy needs is refused. */
function openStream({ service, hub, clock }: RiskApiOptions, strategyUid: string, reply: Parameters<typeof sendEvents>[0]): void {
  if (hub.count(strategyUid) >= maxStreamsPerStrategy) {
    throw new CodedError<RiskErrorCode>(
      "TOO_MANY_STREAMS",
      `strategy ${strategyUid} has ${maxStreamsPerStrategy} streams open already`,
    );
  }
  const snapshot = service.snapshot(strategyUid);
  const sink = sendEvents(reply, { heartbeatMs, clock });
  sink.send({ event: "snapshot", data: snapshot });
  if (snapshot.trading.reason === "MarketDataEnded") sink.send({ event: "end", data: { message: snapshot.trading.message } });
  sink.onClose(hub.subscribe(strategyUid, sink));
}

/** @throws CodedError NOT_REGISTERED, NOT_THIS_STRATEGY */
function requireVoice(
  service: RiskService,
  strategyUid: string,
  { caller, operatorSubject }: { caller: Caller; operatorSubject?: string },
): void {
  if (caller.subject === operatorSubject) return;
  const strategy = service.strategy(strategyUid);
  if (!strategy)
    throw new CodedError<RiskErrorCode>("NOT_REGISTERED", `strategy ${strategyUid} is not registered with this policy yet`);
  if (strategy.subject === caller.subject) return;
  const message = `${caller.subject} may not speak for strategy ${strategy.name}; its agent runs as ${strategy.subject}`;
  throw new CodedError<RiskErrorCode>("NOT_THIS_STRATEGY", message, { context: { subject: caller.subject } });
}

function notRegistered(caller: Caller): CodedError<RiskErrorCode> {
  return new CodedError<RiskErrorCode>("NOT_REGISTERED", `no strategy is registered for ${caller.subject}`);
}

/** @throws CodedError INVALID_BODY when two actions share an ordinal or use one that belongs to risk */
function requireUsableOrdinals({ intents, cancels, replaces }: z.output<typeof decisionRequest>): void {
  const ordinals = [...intents, ...cancels, ...replaces].map(({ ordinal }) => ordinal);
  const largest = Math.max(-1, ...ordinals);
  if (largest >= firstFlattenOrdinal)
    throw new CodedError("INVALID_BODY", `ordinal: must be below ${firstFlattenOrdinal} (is ${largest})`);
  if (new Set(ordinals).size < ordinals.length)
    throw new CodedError("INVALID_BODY", "ordinal: two actions of a decision have the same one");
}
