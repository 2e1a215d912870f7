import { type Clock, CodedError, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type Decimal,
  type FinalOrder,
  ZERO,
  add,
  formatDecimal,
  maximum,
  parseDecimal,
  subtract,
  terminalOrderStates,
} from "@bellwether/trading";
import type { SendRecords } from "../durable/send-log.ts";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import type { Change, Journal } from "../journal/journal.ts";
import {
  type ProtectionRecords,
  type ProtectionScope,
  type ProtectiveOrders,
  type StoredProtection,
  protectiveId,
} from "../journal/protective-orders.ts";
import type { StoredOrder } from "../journal/stored-order.ts";
import type { ProtectiveLeg, ProtectiveOrder, ProtectiveReply, ProtectiveReport, Venue, VenueTrade } from "../venues/venue.ts";
import type { Discrepancies } from "./discrepancies.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import {
  type PlannedProtection,
  type ProtectedOrder,
  type RestingProtection,
  offeredUnits,
  passedLeg,
  planProtection,
} from "./plan-protection.ts";
import { type ProtectedUnits, foldProtected } from "./protected-units.ts";

export interface ProtectionOptions {
  readonly journal: Journal;
  readonly protectiveOrders: ProtectiveOrders;
  readonly sendLog: Pick<SendRecords, "append">;
  readonly venue: Venue;
  readonly discrepancies: Discrepancies;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly log: Logger;
  /** Runs `place` while the venue's dead-man switch is off: it would cancel legs with everything else. */
  readonly withoutDeadMan: (place: () => Promise<void>) => Promise<void>;
  /** Told after a commit. */
  readonly took: (change: Change) => void;
}

/** Looks, acts, and looks again at what it has changed; what is left then waits for the next sweep. */
const mostRounds = 5;
/** Scopes that are kept side by side: a request that hangs keeps no other position waiting for its stop. */
const parallelScopes = 16;
/** Longest that a look at a scope's legs may take before nothing is bought any more. */
const mostLookMs = 5_000;
const firstRetryMs = 1_000;
const longestRetryMs = 300_000;
/** Venues keep what has executed for longer than this; a leg that is nowhere after it may have executed. */
const executionsRememberedMs = 3 * 86_400_000;

/**
 * Keeps the protective legs that should rest at a remote venue: level-based, as the orders, fills and legs in the journal have it, whoever placed
 * what before a crash. Each protective order is written down before it is sent, sent once, and ended only by what the venue says; the next one of
 * an order is placed after its end. While a position stands without what should protect it, that is a discrepancy, which holds up buys.
 *
 *   ask about what may rest ─► record ends with their fills ─► plan (plan-protection.ts) ─► cancel / place / retire ─► again
 */
export class Protection {
  readonly #options: ProtectionOptions;
  readonly #queue = new KeyedQueue();
  /** Refused placements in a row, of each order. */
  readonly #refusals = new Map<string, { readonly count: number; readonly retryAtMs: number; readonly reason: string }>();
  /** Since when each look that is under way, or waits for its turn, is owed. */
  readonly #looksSinceMs = new Map<object, number>();

  constructor(options: ProtectionOptions) {
    this.#options = options;
  }

  /** Brings the legs of these scopes to what they should be; errors are logged, the next sweep tries again. */
  async keep(scopes: readonly ProtectionScope[]): Promise<void> {
    const look = {};
    this.#looksSinceMs.set(look, this.#options.clock.nowMs());
    try {
      for (let start = 0; start < scopes.length; start += parallelScopes)
        await Promise.all(scopes.slice(start, start + parallelScopes).map((scope) => this.#keepOne(scope)));
    } finally {
      this.#looksSinceMs.delete(look);
    }
  }

  async #keepOne(scope: ProtectionScope): Promise<void> {
    try {
      await this.#exclusive(scope, () => this.#kept(scope));
    } catch (error) {
      if (hasCode(error, "VENUE_INCONSISTENT")) this.#options.discrepancies.note(scopeKey(scope), error.message);
      this.#options.log.warn({ err: error, ...scope }, "protective legs could not be kept; they will be looked at again");
    }
  }

  /** While a look does not come to its end nobody knows what stands without its legs. @throws CodedError VENUE_STALE */
  requireLooked(): void {
    const sinceMs = Math.min(...this.#looksSinceMs.values());
    const waitedMs = this.#options.clock.nowMs() - sinceMs;
    if (waitedMs <= mostLookMs) return;
    const message = `VenueStale: protective legs wait for an answer of the venue for ${Math.round(waitedMs / 1_000)} s`;
    throw new CodedError<BrokerErrorCode>("VENUE_STALE", message, { context: { waitedMs } });
  }

  /**
   * Takes back as many legs as stand in the way of a sell that is recorded as about to be sent, and says whether it may go now.
   *
   * @param quantity what the sell would take
   * @returns undefined: it may; otherwise why not: nothing of it must be sent then
   */
  makeRoom(scope: ProtectionScope, quantity: Decimal): Promise<string | undefined> {
    return this.#exclusive(scope, async () => {
      try {
        return await this.#roomFor(scope, quantity);
      } catch (error) {
        if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
        return `LEGS_NOT_RELEASED: the venue cannot be asked to release what protective legs hold: ${error.message}`;
      }
    });
  }

  #exclusive<T>({ owner, market }: ProtectionScope, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(`${owner} ${market}`, work);
  }

  async #kept(scope: ProtectionScope): Promise<void> {
    const { protectiveOrders, discrepancies, log } = this.#options;
    discrepancies.settled(scopeKey(scope));
    try {
      for (let round = 1; round <= mostRounds; round += 1) {
        const records = await protectiveOrders.records(scope);
        let changed = false;
        for (const open of records.open) if (round === 1 || open.atMarket) changed = (await this.#observe(open)) || changed;
        if (changed) continue;
        const plan = this.#plan(scope, records);
        if (!(await this.#act(records, plan))) return this.#tell(records, plan);
      }
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      log.warn({ err: error, ...scope }, "the venue cannot be asked about protective legs");
    }
    const records = await protectiveOrders.records(scope);
    this.#tell(records, this.#plan(scope, records));
  }

  /** @returns whether something was changed, so that it is worth looking again */
  async #act(records: ProtectionRecords, plan: readonly PlannedProtection[]): Promise<boolean> {
    let acted = false;
    for (const { clientOrderId, step, tooSmall } of plan) {
      const stored = records.orders.find(({ order }) => order.clientOrderId === clientOrderId);
      if (!stored) continue;
      if (step.step === "cancel") acted = (await this.#cancel(records, step.ids)) || acted;
      else if (step.step === "place") acted = (await this.#place(stored, step.quantity)) || acted;
      else if (step.step === "retire") await this.#retire(stored, tooSmall);
    }
    return acted;
  }

  /** Nothing is left of it to protect: the order is done. */
  async #retire({ order: { clientOrderId, market } }: StoredOrder, tooSmall: Decimal): Promise<void> {
    const { journal, took, discrepancies, log } = this.#options;
    if (tooSmall > 0n) {
      const units = formatDecimal(tooSmall);
      log.error({ clientOrderId, market, units }, "a rest of a position is below the venue's minimum: no leg can protect it");
    }
    this.#refusals.delete(clientOrderId);
    discrepancies.settled(legsKey(clientOrderId));
    took(await journal.recordLegs(clientOrderId, { protectiveLegs: [] }));
  }

  async #roomFor(scope: ProtectionScope, quantity: Decimal): Promise<string | undefined> {
    const { protectiveOrders } = this.#options;
    for (let round = 1; round <= mostRounds; round += 1) {
      const records = await protectiveOrders.records(scope);
      const holding = await protectiveOrders.holdingAfterLegs(scope);
      // A leg may have sold what risk still saw: the account's other units belong to others.
      if (holding !== undefined && holding < records.openSells)
        return `NOTHING_TO_SELL: ${formatDecimal(quantity)} were to be sold and the strategy holds ${formatDecimal(holding)}: a protective leg has sold`;
      if (records.orders.length === 0) return undefined;
      const room = subtract(unitsOf(records).holding, records.openSells);
      if (offeredUnits(protectedOrders(records)) <= maximum(ZERO, room)) return undefined;
      const ids = this.#plan(scope, records).flatMap(({ step }) => (step.step === "cancel" ? step.ids : []));
      if (ids.length === 0) break;
      await this.#cancel(records, ids);
    }
    return "LEGS_NOT_RELEASED: whether the protective legs that hold the units have gone is not known yet";
  }

  #plan({ market }: ProtectionScope, records: ProtectionRecords): readonly PlannedProtection[] {
    const rules = this.#options.venue.rules(market);
    // A market that is not listed any more takes no legs; what rests there is left.
    if (!rules) return [];
    const { quantityStep, minQuantity, minNotional } = rules;
    return planProtection({
      holding: unitsOf(records).holding,
      openSells: records.openSells,
      orders: protectedOrders(records),
      rules: {
        quantityStep: parseDecimal(quantityStep),
        ...(minQuantity === undefined ? {} : { minQuantity: parseDecimal(minQuantity) }),
        ...(minNotional === undefined ? {} : { minNotional: parseDecimal(minNotional) }),
      },
    });
  }

  /** What the venue says of one, recorded with the executions it rests on. @returns whether that was news */
  async #observe(stored: StoredProtection): Promise<boolean> {
    const { protectiveOrders, took, clock } = this.#options;
    const protective = required(this.#options.venue);
    const askedAtMs = clock.nowMs();
    const reports = await protective.lookup(stored);
    if (!reports) return this.#absent(stored, askedAtMs);
    if (!differs(stored, reports)) return false;
    const executed = reports.some(({ filledQuantity }) => parseDecimal(filledQuantity) > 0n);
    const trades = executed ? await protective.trades(stored, reports) : [];
    requireComplete(reports, trades);
    took(await protectiveOrders.recordReports(stored, reports, trades));
    return true;
  }

  /** Not known by its id. Only a proof ends it, also when it was acknowledged once: a replica may lag. */
  async #absent(stored: StoredProtection, askedAtMs: number): Promise<boolean> {
    const { protectiveOrders } = this.#options;
    const protective = required(this.#options.venue);
    const { windowMs, marginMs } = protective.validity;
    const ageMs = askedAtMs - stored.aboutToSendAtMs;
    if (ageMs <= windowMs + marginMs) {
      if (stored.states.every(({ state }) => state === "AboutToSend"))
        await protectiveOrders.mark(stored, "Unknown", "the process ended while it was being sent");
      return false;
    }
    if (ageMs > executionsRememberedMs) {
      const message = "a protective leg is older than what the venue remembers: whether it was executed cannot be asked any more";
      throw new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", message, { context: { id: stored.legs[0]?.id } });
    }
    if (!(await protective.absent(stored))) return false;
    const acknowledged = stored.states.some(({ state }) => state === "Working");
    const reason = "neither open nor in the history after its validity window";
    await protectiveOrders.mark(stored, acknowledged ? "Cancelled" : "NotSent", reason);
    return true;
  }

  /** @returns whether one of them has ended */
  async #cancel(records: ProtectionRecords, ids: readonly string[]): Promise<boolean> {
    const protective = required(this.#options.venue);
    const before = records.open.filter(({ legs }) => ids.includes(legs[0]?.id ?? ""));
    for (const open of before) {
      await protective.cancel(open);
      await this.#observe(open);
    }
    return before.length > 0;
  }

  /** @returns whether it was sent, or refused by what the market has done meanwhile */
  async #place({ order }: StoredOrder, quantity: Decimal): Promise<boolean> {
    const { clock, venue, failPoints, protectiveOrders, withoutDeadMan } = this.#options;
    if (venue.health().accepts === "none") return false;
    const price = await required(venue).price(order.market);
    const passed = passedLeg(pricesOf(order), price);
    const refused = this.#refusals.get(order.clientOrderId);
    // A leg that the price has passed sells at once, whatever was refused before.
    if (refused && clock.nowMs() < refused.retryAtMs && passed === undefined) return false;
    const number = (await protectiveOrders.lastNumber(order.clientOrderId)) + 1;
    const protective: ProtectiveOrder = {
      clientOrderId: order.clientOrderId,
      market: order.market,
      quantity: formatDecimal(quantity),
      atMarket: passed !== undefined,
      aboutToSendAtMs: clock.nowMs(),
      legs: legsOf(order)
        .filter(({ leg }) => passed === undefined || leg === passed)
        .map(({ leg, price: at }) => ({ leg, price: at, id: protectiveId(order.clientOrderId, leg, number) })),
    };
    failPoints.pass("before-about-to-send");
    await withoutDeadMan(() => this.#send(protective, number));
    return true;
  }

  async #send(order: ProtectiveOrder, number: number): Promise<void> {
    const { protectiveOrders, journal, sendLog, venue, failPoints, log } = this.#options;
    // Somebody else has written this number: it may be at the venue.
    if (!(await protectiveOrders.aboutToSend(order, number))) return;
    failPoints.pass("after-about-to-send");
    const { legs, ...rest } = order;
    await sendLog.append({ kind: "protective", ...rest, legs: [...legs], number, writerEpoch: journal.writerEpoch });
    failPoints.pass("before-venue-send");
    let reply: ProtectiveReply;
    try {
      reply = await required(venue).place(order);
    } catch (error) {
      log.warn({ err: error, clientOrderId: order.clientOrderId, number }, "the outcome of placing protective legs is unknown");
      await protectiveOrders.mark(order, "Unknown", messageOf(error));
      return;
    }
    failPoints.pass("after-venue-reply");
    if (!reply.accepted) {
      await protectiveOrders.mark(order, "Rejected", reply.reason);
      this.#wasRefused(order.clientOrderId, reply.reason);
      return;
    }
    this.#refusals.delete(order.clientOrderId);
    await protectiveOrders.mark(order, "Working");
  }

  #wasRefused(clientOrderId: string, reason: string): void {
    const count = (this.#refusals.get(clientOrderId)?.count ?? 0) + 1;
    const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(count - 1, 10));
    this.#refusals.set(clientOrderId, { count, retryAtMs: this.#options.clock.nowMs() + delayMs, reason });
    this.#options.log.error({ clientOrderId, reason, delayMs }, "the venue refuses a position's protective legs");
  }

  /** What stands without the legs that should protect it is told as long as it does. */
  #tell(records: ProtectionRecords, plan: readonly PlannedProtection[]): void {
    const { discrepancies } = this.#options;
    const orders = protectedOrders(records);
    for (const { clientOrderId, target, step } of plan) {
      if (step.step === "retire") continue;
      const order = orders.find((one) => one.clientOrderId === clientOrderId);
      const acknowledged = order?.resting.filter((one) => one.acknowledged) ?? [];
      const naked = subtract(target, offeredUnits([{ resting: acknowledged }]));
      const refused = this.#refusals.get(clientOrderId)?.reason ?? "they could not be placed yet";
      const why = step.step === "wait" ? step.why : refused;
      const message = `${formatDecimal(naked)} stand without the protective legs they should have: ${why}`;
      if (naked > 0n) discrepancies.note(legsKey(clientOrderId), message);
      else discrepancies.settled(legsKey(clientOrderId));
    }
  }
}

const legsKey = (clientOrderId: string): string => `${clientOrderId} (legs)`;
const scopeKey = ({ owner, market }: ProtectionScope): string => `of ${owner} in ${market} (legs)`;

function required({ protective }: Venue): NonNullable<Venue["protective"]> {
  if (protective) return protective;
  throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "legs are kept at a venue that has none");
}

/** The legs an order asks for, the stop first. */
export function legsOf({
  stopLoss,
  takeProfit,
}: Pick<FinalOrder, "stopLoss" | "takeProfit">): { leg: ProtectiveLeg; price: string }[] {
  return [
    ...(stopLoss === undefined ? [] : [{ leg: "stopLoss" as const, price: stopLoss }]),
    ...(takeProfit === undefined ? [] : [{ leg: "takeProfit" as const, price: takeProfit }]),
  ];
}

function pricesOf({ stopLoss, takeProfit }: FinalOrder): Pick<ProtectedOrder, "stopLoss" | "takeProfit"> {
  return {
    ...(stopLoss === undefined ? {} : { stopLoss: parseDecimal(stopLoss) }),
    ...(takeProfit === undefined ? {} : { takeProfit: parseDecimal(takeProfit) }),
  };
}

function unitsOf({ holdingBefore, fills, orders }: ProtectionRecords): ProtectedUnits {
  return foldProtected({ holdingBefore, fills, orders: orders.map(({ order }) => order.clientOrderId) });
}

function protectedOrders(records: ProtectionRecords): readonly ProtectedOrder[] {
  const { byOrder } = unitsOf(records);
  return records.orders.map(({ order, state, cancelRequested }) => ({
    clientOrderId: order.clientOrderId,
    ...pricesOf(order),
    units: byOrder.get(order.clientOrderId) ?? ZERO,
    entryOpen: !terminalOrderStates.has(state),
    legsCancelled: cancelRequested === "all",
    resting: records.open.filter((open) => open.clientOrderId === order.clientOrderId).map(restingOf),
  }));
}

function restingOf({ legs, states, quantity }: StoredProtection): RestingProtection {
  const filled = states.reduce((sum, { filledQuantity }) => add(sum, filledQuantity), ZERO);
  return {
    id: legs[0]?.id ?? "",
    acknowledged: states.some(({ state }) => state !== "AboutToSend" && state !== "Unknown"),
    remaining: subtract(parseDecimal(quantity), filled),
    whole: filled === ZERO && states.every(({ state }) => state === "Working"),
  };
}

function differs({ states }: StoredProtection, reports: readonly ProtectiveReport[]): boolean {
  return states.some(({ leg, state, filledQuantity }) => {
    const report = reports.find((one) => one.leg === leg);
    return !report || report.state !== state || parseDecimal(report.filledQuantity) !== filledQuantity;
  });
}

/** A leg's fill counts only with all executions it is made of: lists of them may lag. */
function requireComplete(reports: readonly ProtectiveReport[], trades: readonly VenueTrade[]): void {
  for (const { leg, filledQuantity } of reports) {
    const listed = trades
      .filter((trade) => trade.leg === leg)
      .reduce((sum, { quantity }) => add(sum, parseDecimal(quantity)), ZERO);
    if (listed === parseDecimal(filledQuantity)) continue;
    const message = `the venue reports ${filledQuantity} of a ${leg} filled and trades of ${formatDecimal(listed)}`;
    throw new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", message, { context: { leg } });
  }
}
