import { type Clock, CodedError, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type Approval,
  type BrokerOrder,
  type Decimal,
  type FinalOrder,
  type WireFill,
  formatDecimal,
  parseDecimal,
  terminalOrderStates,
} from "@bellwether/trading";
import type { SendRecords } from "../durable/send-log.ts";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import type { Change, Journal } from "../journal/journal.ts";
import { type ProtectiveOrders, distinctScopes, scopeOf } from "../journal/protective-orders.ts";
import { type CancelLegs, type StoredOrder, brokerOrderOf, isTracked } from "../journal/stored-order.ts";
import type { SentOrder, SubmitReply, Venue, VenueHealth, VenueOrder, VenueTrade } from "../venues/venue.ts";
import type { ApprovalVerifier } from "./approval-verifier.ts";
import type { BrokerMetrics } from "../metrics.ts";
import { Alarms } from "./alarms.ts";
import { type DeadManView, deadManStep } from "./dead-man.ts";
import { Discrepancies } from "./discrepancies.ts";
import { ForeignTrades, foreignTradesLookBackMs } from "./foreign-trades.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { checkOrder, orderFromText } from "./order-checks.ts";
import { Protection, legsOf } from "./protection.ts";
import type { RiskWatch } from "./risk-watch.ts";

export interface OrderDeskOptions {
  readonly account: string;
  readonly hardCaps: { readonly maxOrderNotional?: string | undefined; readonly maxDailyNotional?: string | undefined };
  readonly journal: Journal;
  readonly protectiveOrders: ProtectiveOrders;
  readonly sendLog: Pick<SendRecords, "append">;
  readonly venue: Venue;
  readonly verifier: ApprovalVerifier;
  readonly risk: RiskWatch;
  /** Wall milliseconds after which entries are cancelled while nobody judges them. */
  readonly deadManMs: number;
  marketTimeMs(): number;
  /** Close of the market's last base bar. */
  lastPrice(market: string): Decimal | undefined;
  /** Bars of this market have to come from now on. */
  follow(market: string): void;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly metrics: BrokerMetrics;
  readonly log: Logger;
  /** Told after the commit: a hint to listeners, Postgres is the truth. */
  publish(change: { order: BrokerOrder; fills: readonly WireFill[] }): void;
}

const dayMs = 86_400_000;
const sendTimeoutMs = 5_000;
/** They ask the venue at its own pace; what comes of them is written together. */
const parallelRefreshes = 16;
/** No order has this id. */
const deadManKey = "dead-man switch";

/**
 * Takes approved orders to the venue, each at most once, and finds out what became of them.
 *
 *   approval ─► verified ─► AboutToSend: Postgres, then send log, both synced ─► sent ─┬─► accepted / refused ─► recorded
 *                                                                                      └─► anything else ─► Unknown
 *   Unknown ─► found at the venue ─► that state
 *           └► not in lookup, open orders and trades after validity window + margin ─► NotSent
 *
 * `submit` is the only caller of `venue.submit`, and calls it only for a row it has just created: whatever is repeated, restarted or
 * recovered comes back through `refresh`, which only asks.
 */
export class OrderDesk {
  readonly #options: OrderDeskOptions;
  readonly #queue = new KeyedQueue();
  /** Orders that will be asked about already: another hint adds nothing. */
  readonly #asking = new Set<string>();
  readonly discrepancies = new Discrepancies();
  readonly alarms = new Alarms();
  readonly foreignTrades = new ForeignTrades();
  /** Where legs rest at a remote venue. */
  readonly #protection: Protection | undefined;
  #armedAtMs: number | undefined;

  constructor(options: OrderDeskOptions) {
    this.#options = options;
    if (options.venue.protective)
      this.#protection = new Protection({
        ...options,
        discrepancies: this.discrepancies,
        withoutDeadMan: (place) => this.#withoutDeadMan(place),
        took: (change) => void this.#took(change),
      });
  }

  /**
   * Sends the order of an approval, or says what is known of it.
   *
   * @throws CodedError when it is refused; then nothing was recorded or sent. JOURNAL_UNAVAILABLE and LOG_UNWRITABLE leave that open.
   */
  async submit(approval: Approval): Promise<BrokerOrder> {
    const { clock, metrics } = this.#options;
    const startedMs = clock.nowMs();
    const elapsed = (): number => (clock.nowMs() - startedMs) / 1_000;
    try {
      const { order, sent } = await this.#submitOnce(approval);
      if (sent) metrics.submitted(order.state, elapsed());
      return order;
    } catch (error) {
      metrics.submitted("Refused", elapsed());
      if (hasCode<BrokerErrorCode>(error)) this.#refused(error, approval);
      throw error;
    }
  }

  #refused(error: CodedError<BrokerErrorCode>, { keyId, epoch }: Approval): void {
    const { clock, metrics, log } = this.#options;
    metrics.refused(error.code);
    if (this.alarms.refused(error.code, error.message, clock.nowMs()))
      log.error({ err: error, keyId, epoch }, "an approval was refused that should not have come");
  }

  #submitOnce(approval: Approval): Promise<{ order: BrokerOrder; sent: boolean }> {
    const order = orderFromText(approval.order);
    const known = (stored: StoredOrder): { order: BrokerOrder; sent: boolean } => ({
      order: brokerOrderOf(requireSameBytes(stored, approval.order)),
      sent: false,
    });
    return this.#queue.run(order.clientOrderId, async () => {
      const existing = await this.#options.journal.order(order.clientOrderId);
      if (existing) return known(existing);
      await this.#options.verifier.verify(approval);
      const { order: stored, created } = await this.#recordAboutToSend(approval, order);
      if (!created) return known(stored);
      const sent = await this.#send(stored, approval);
      this.#protectSoon(sent);
      this.#options.failPoints.pass("before-reply");
      return { order: brokerOrderOf(sent), sent: true };
    });
  }

  /** @throws CodedError ORDER_NEVER_SEEN */
  async find(clientOrderId: string): Promise<BrokerOrder> {
    const stored = await this.#options.journal.order(clientOrderId);
    if (stored) return brokerOrderOf(stored);
    throw new CodedError<BrokerErrorCode>("ORDER_NEVER_SEEN", `no order ${clientOrderId} has come here`, {
      context: { clientOrderId },
    });
  }

  /** Makes sure that an order which has not come here never will be sent; a known one is left as it is. */
  void(body: string, riskEpoch: number): Promise<BrokerOrder> {
    const order = orderFromText(body);
    const { journal, sendLog, failPoints, clock } = this.#options;
    return this.#queue.run(order.clientOrderId, async () => {
      failPoints.pass("before-tombstone");
      const { order: stored, created } = await journal.tombstone(body, riskEpoch);
      requireSameBytes(stored, body);
      failPoints.pass("after-tombstone");
      // Also for a repeated void: the first one may have ended between the two records.
      if (stored.state === "NotSent" && stored.aboutToSendAtMs === undefined) {
        await sendLog.append({ kind: "void", order: body, riskEpoch, writerEpoch: journal.writerEpoch, atMs: clock.nowMs() });
      }
      if (created) this.#publish({ order: stored, fills: [], changed: true });
      return brokerOrderOf(stored);
    });
  }

  /**
   * Asks the venue to end an order: what still waits to be filled, or its protective legs, too. The wish is recorded first, so that an order
   * whose fate is unknown is cancelled when it turns up.
   *
   * @throws CodedError ORDER_NEVER_SEEN
   */
  cancel(clientOrderId: string, legs: CancelLegs): Promise<BrokerOrder> {
    return this.#queue.run(clientOrderId, async () => {
      const stored = await this.#options.journal.order(clientOrderId);
      if (!stored) return this.find(clientOrderId);
      if (!isTracked(stored)) return brokerOrderOf(stored);
      const { order } = await this.#options.journal.requestCancel(clientOrderId, legs);
      const refreshed = await this.#refreshed(order);
      if (!this.#protection || refreshed.protectiveLegs.length === 0) return brokerOrderOf(refreshed);
      await this.#protection.keep([scopeOf(refreshed)]);
      return this.find(clientOrderId);
    });
  }

  /** Asks the venue about these orders; errors are logged, the next sweep asks again. */
  async refresh(clientOrderIds: readonly string[]): Promise<void> {
    for (let start = 0; start < clientOrderIds.length; start += parallelRefreshes) {
      await Promise.all(clientOrderIds.slice(start, start + parallelRefreshes).map((id) => this.#refreshOne(id)));
    }
    await this.#protect(clientOrderIds);
  }

  /** Asks the venue about every order that something may still happen to. Runs at start, and then again and again: answers and hints get lost. */
  async sweep(): Promise<void> {
    const { journal, metrics } = this.#options;
    const tracked = await journal.trackedOrders();
    const unknown = tracked.filter(({ state }) => state === "Unknown" || state === "AboutToSend").length;
    const differing: string[] = [];
    for (const stored of tracked) {
      if (!this.#queue.busy(stored.order.clientOrderId) && (await this.#differs(stored)))
        differing.push(stored.order.clientOrderId);
    }
    await this.refresh(differing);
    await this.#endWhatIsDue(tracked);
    await this.#keepLegs();
    await this.#keepDeadMan();
    metrics.swept({ tracked: tracked.length, unknown, discrepancies: this.discrepancies.size });
  }

  /** Entries past their time, where the venue does not end them; and at a real venue all of them, once nobody has judged them for too long. */
  async #endWhatIsDue(tracked: readonly StoredOrder[]): Promise<void> {
    const { venue, risk, deadManMs, log } = this.#options;
    const deserted = venue.kind !== "paper" && risk.silentMs > deadManMs;
    for (const { order, state, cancelRequested } of tracked) {
      const expired = !venue.holdsExpiry && order.expiresAt !== undefined && this.#options.marketTimeMs() >= order.expiresAt;
      if (state !== "Working" || cancelRequested !== undefined || !(deserted || expired)) continue;
      if (deserted) log.warn({ clientOrderId: order.clientOrderId }, "risk is silent: a working entry is cancelled");
      await this.cancel(order.clientOrderId, "entry");
    }
  }

  /** What protects should rest, and an entry whose leg has sold buys no more. */
  async #keepLegs(): Promise<void> {
    if (!this.#protection) return;
    const { journal, protectiveOrders } = this.#options;
    await this.#protection.keep(distinctScopes((await journal.trackedOrders()).filter(isProtected)));
    for (const clientOrderId of await protectiveOrders.firedEntries()) await this.cancel(clientOrderId, "entry");
  }

  /** The venue's own switch, for the case that this process is gone; a failure leaves it as it was. */
  async #keepDeadMan(): Promise<void> {
    const { venue, risk, deadManMs, clock, journal, log } = this.#options;
    if (!venue.cancelAllAfter) return;
    await this.#queue.run(deadManKey, async () => {
      // Read within the switch's own turn: legs are placed only after their order is recorded, and with the switch off.
      const tracked = await journal.trackedOrders();
      const view: DeadManView = {
        nowMs: clock.nowMs(),
        armedAtMs: this.#armedAtMs,
        timeoutMs: deadManMs,
        working: tracked.filter(({ state }) => state === "Working").length,
        protectiveLegs: tracked.reduce((count, { protectiveLegs }) => count + protectiveLegs.length, 0),
        riskSilent: risk.silent,
      };
      const step = deadManStep(view);
      if (step === "leave") return;
      try {
        await this.#setDeadMan(step === "arm" ? deadManMs : 0);
      } catch (error) {
        if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
        log.warn({ err: error }, `the venue's dead-man switch could not be ${step === "arm" ? "armed" : "taken off"}`);
      }
    });
  }

  async #setDeadMan(timeoutMs: number): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    await this.#options.venue.cancelAllAfter?.(timeoutMs);
    this.#armedAtMs = timeoutMs > 0 ? nowMs : undefined;
  }

  /** @throws CodedError VENUE_UNREACHABLE when it is armed and cannot be taken off: then nothing was placed */
  #withoutDeadMan(place: () => Promise<void>): Promise<void> {
    // Without a switch no leg has to wait for another one's answer.
    if (!this.#options.venue.cancelAllAfter) return place();
    return this.#queue.run(deadManKey, async () => {
      if (this.#armedAtMs !== undefined) await this.#setDeadMan(0);
      await place();
    });
  }

  /** Legs of what these orders, or the orders of these legs, have bought; never rejects: the sweep does what fails here. */
  async #protect(ids: readonly string[]): Promise<void> {
    if (!this.#protection || ids.length === 0) return;
    try {
      await this.#protection.keep(await this.#options.protectiveOrders.scopesOf(ids));
    } catch (error) {
      this.#options.log.warn({ err: error }, "protective legs could not be looked at; the next sweep will");
    }
  }

  /** Without keeping the caller waiting. */
  #protectSoon({ order, protectiveLegs }: StoredOrder): void {
    if (!this.#protection || protectiveLegs.length === 0) return;
    this.#options.clock.setTimeout(() => void this.#protect([order.clientOrderId]), 0);
  }

  /** Looks for orders at the venue that nobody here has sent: they are held for a person, not touched. */
  async audit(): Promise<void> {
    const { journal, venue, log } = this.#options;
    let ids: readonly string[];
    try {
      ids = (await venue.openOrders()).map((order) => order.clientOrderId);
    } catch (error) {
      // The next audit asks again; a venue that is away must not keep the broker from starting.
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      log.warn({ err: error }, "the venue cannot be asked about its open orders");
      return;
    }
    const legs = this.#protection ? await this.#options.protectiveOrders.known(ids) : new Set<string>();
    const foreign = await journal.foreign(ids.filter((id) => !legs.has(id)));
    for (const clientOrderId of foreign) log.error({ clientOrderId }, "the venue holds an order that this broker has not sent");
    this.discrepancies.foreignAre([...foreign]);
    await this.#lookForTrades();
  }

  /** Trades of another hand at an exchange; a fate that is unknown may be the explanation of one, so that nothing is said meanwhile. */
  async #lookForTrades(): Promise<void> {
    const { journal, venue, log } = this.#options;
    if (venue.kind !== "ccxt") return;
    const tracked = await journal.trackedOrders();
    if (tracked.some(({ state }) => state === "Unknown" || state === "AboutToSend")) return;
    const nowMs = this.#options.marketTimeMs();
    try {
      const trades = await venue.tradesSince(Math.max(0, nowMs - foreignTradesLookBackMs));
      const candidates = this.foreignTrades.candidates(trades, nowMs);
      this.foreignTrades.judged(candidates, await journal.knownTrades(candidates.map(({ tradeId }) => tradeId)));
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      log.warn({ err: error }, "the venue cannot be asked about the account's trades");
    }
  }

  /** A person has looked at what another hand placed: it holds nothing up any more. @returns how many orders that is */
  async adopt(who: string, reason: string): Promise<number> {
    const { journal, log } = this.#options;
    // A leg that has fired and was not asked about yet must not be taken for what another hand has done.
    await this.#keepLegs();
    await this.audit();
    const ids = this.discrepancies.foreign;
    await journal.adopt(ids, { who, reason });
    for (const venueId of ids) log.warn({ venueId, who, reason }, "an order of another hand was adopted");
    await this.audit();
    return ids.length;
  }

  async #recordAboutToSend(approval: Approval, order: FinalOrder): Promise<{ order: StoredOrder; created: boolean }> {
    const { account, hardCaps, journal, venue, verifier, clock, failPoints } = this.#options;
    requireAccepted(order, venue.health());
    const rules = venue.rules(order.market);
    if (rules) this.#options.follow(order.market);
    if (order.side === "buy") {
      this.#options.risk.requireHeard();
      this.discrepancies.requireNone();
      this.#protection?.requireLooked();
    }
    const lastPrice = this.#options.lastPrice(order.market);
    const notional = checkOrder(order, { account, rules, hardCaps, lastPrice, restingLegs: venue.protective !== undefined });
    failPoints.pass("before-about-to-send");
    verifier.requireUnexpired(approval);
    const atMs = clock.nowMs();
    const dailyCap =
      hardCaps.maxDailyNotional === undefined
        ? {}
        : { dailyCap: { sinceMs: atMs - (atMs % dayMs), maximum: hardCaps.maxDailyNotional } };
    return journal.aboutToSend({
      order,
      body: approval.order,
      nonce: approval.nonce,
      keyId: approval.keyId,
      riskEpoch: approval.epoch,
      atMs,
      notional: formatDecimal(notional),
      ...dailyCap,
    });
  }

  async #send(stored: StoredOrder, approval: Approval): Promise<StoredOrder> {
    const { journal, sendLog, failPoints, log } = this.#options;
    const { clientOrderId } = stored.order;
    const timestampMs = stored.aboutToSendAtMs;
    if (timestampMs === undefined)
      throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "an order about to be sent has no time");
    failPoints.pass("after-about-to-send");
    const blocked = await this.#makeRoom(stored);
    if (blocked !== undefined) return this.#took(await journal.markRejected(clientOrderId, `${blocked}; nothing was sent`));
    await sendLog.append({
      kind: "about-to-send",
      order: approval.order,
      nonce: approval.nonce,
      riskEpoch: approval.epoch,
      writerEpoch: journal.writerEpoch,
      aboutToSendAtMs: timestampMs,
    });
    failPoints.pass("before-venue-send");
    let reply: SubmitReply;
    try {
      reply = await this.#withTimeout((signal) => this.#options.venue.submit({ order: stored.order, timestampMs, signal }));
    } catch (error) {
      log.warn({ err: error, clientOrderId, intentId: stored.order.intentId }, "the outcome of a submission is unknown");
      return this.#took(await journal.markUnknown(clientOrderId, messageOf(error)));
    }
    failPoints.pass("after-venue-reply");
    if (!reply.accepted) return this.#took(await journal.markRejected(clientOrderId, reply.reason));
    try {
      return await this.#recordReported(stored, reply.order, reply.trades);
    } catch (error) {
      // Trades that could not be read, or that do not yet add up to what the order says: asked again by the sweep.
      if (!hasCode(error, "VENUE_UNREACHABLE") && !hasCode(error, "VENUE_INCONSISTENT")) throw error;
      return this.#took(await journal.markUnknown(clientOrderId, `accepted, but its trades are not known: ${messageOf(error)}`));
    }
  }

  /** Protective legs hold what they would sell: those of the same strategy give way to its sell. @returns why they did not */
  async #makeRoom(stored: StoredOrder): Promise<string | undefined> {
    if (stored.order.side === "buy") return undefined;
    return this.#protection?.makeRoom(scopeOf(stored), parseDecimal(stored.order.quantity));
  }

  /** A timeout leaves the outcome unknown; what the call answers later is found out by asking. */
  async #withTimeout<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const timedOut = new Promise<never>((_resolve, reject) => {
      const cancel = this.#options.clock.setTimeout(() => {
        const error = new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", `no answer within ${sendTimeoutMs} ms`);
        controller.abort(error);
        reject(error);
      }, sendTimeoutMs);
      controller.signal.addEventListener("abort", cancel, { once: true });
    });
    try {
      return await Promise.race([call(controller.signal), timedOut]);
    } finally {
      controller.abort();
    }
  }

  async #refreshOne(clientOrderId: string): Promise<void> {
    const { journal, log } = this.#options;
    if (this.#asking.has(clientOrderId)) return;
    this.#asking.add(clientOrderId);
    try {
      await this.#queue.run(clientOrderId, async () => {
        this.#asking.delete(clientOrderId);
        const stored = await journal.order(clientOrderId);
        if (stored && isTracked(stored)) await this.#refreshed(stored);
        this.discrepancies.settled(clientOrderId);
      });
    } catch (error) {
      if (hasCode(error, "VENUE_INCONSISTENT")) this.discrepancies.note(clientOrderId, error.message);
      log.warn({ err: error, clientOrderId }, "an order could not be brought up to date; it will be asked about again");
    }
  }

  /** What the venue says of an order, recorded; within the order's queue. Unreachable: the order as it stands. */
  async #refreshed(stored: StoredOrder): Promise<StoredOrder> {
    const { venue, clock, log } = this.#options;
    const { clientOrderId } = stored.order;
    try {
      // Taken before asking: absence counts only when it was seen after the window.
      const askedAtMs = clock.nowMs();
      const sent = sentOrderOf(stored);
      let reported = await venue.lookup(sent);
      if (!reported) return await this.#absent(stored, askedAtMs);
      if (wantsCancel(stored, reported)) {
        await venue.cancel({ ...sent, legs: stored.cancelRequested ?? "entry" });
        reported = (await venue.lookup(sent)) ?? reported;
      }
      return await this.#recordReported(stored, reported);
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      log.warn({ err: error, clientOrderId }, "the venue cannot be asked about an order");
      return stored;
    }
  }

  async #recordReported(stored: StoredOrder, reported: VenueOrder, reportedTrades?: readonly VenueTrade[]): Promise<StoredOrder> {
    if (saysNothingNew(stored, reported)) return stored;
    // After the order: the trades then hold at least what the order speaks of.
    const trades = reportedTrades ?? (await this.#tradesOf(stored, reported));
    return this.#took(
      await this.#options.journal.recordVenueOrder({ ...reported, protectiveLegs: this.#legsAfter(stored, reported) }, trades),
    );
  }

  /** Where legs rest as orders of their own, an entry owes them for whatever it buys, from the moment that is recorded; the protection ends that. */
  #legsAfter(stored: StoredOrder, reported: VenueOrder): StoredOrder["protectiveLegs"] {
    if (!this.#protection) return reported.protectiveLegs;
    const grown = parseDecimal(reported.filledQuantity) > parseDecimal(stored.filledQuantity);
    return grown && stored.cancelRequested !== "all" ? legsOf(stored.order).map(({ leg }) => leg) : stored.protectiveLegs;
  }

  async #tradesOf(stored: StoredOrder, reported: VenueOrder): Promise<readonly VenueTrade[]> {
    // Nothing has been executed of an entry that is not filled: a request less for every resting order.
    if (reported.filledQuantity === "0") return [];
    return this.#options.venue.trades({ ...sentOrderOf(stored), venueOrderId: reported.venueOrderId });
  }

  /** The venue does not know the order by its id. Only a proof ends it. */
  async #absent(stored: StoredOrder, askedAtMs: number): Promise<StoredOrder> {
    const { journal, venue } = this.#options;
    const { clientOrderId } = stored.order;
    if (stored.state !== "AboutToSend" && stored.state !== "Unknown") {
      throw new CodedError<BrokerErrorCode>(
        "VENUE_INCONSISTENT",
        `the venue has forgotten an order it had acknowledged (${stored.state})`,
        {
          context: { clientOrderId, state: stored.state },
        },
      );
    }
    const unknown =
      stored.state === "Unknown"
        ? stored
        : this.#took(await journal.markUnknown(clientOrderId, "the process ended while it was being sent"));
    const { validity } = venue;
    if (!validity || askedAtMs <= (stored.aboutToSendAtMs ?? Number.POSITIVE_INFINITY) + validity.windowMs + validity.marginMs)
      return unknown;
    if ((stored.aboutToSendAtMs ?? 0) <= (await venue.forgottenUntilMs())) {
      const message = "it is older than what the venue remembers: whether it was executed cannot be asked any more";
      throw new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", message, { context: { clientOrderId } });
    }
    const open = await venue.openOrders();
    const trades = await venue.trades(sentOrderOf(stored));
    if (trades.length > 0 || open.some((order) => order.clientOrderId === clientOrderId)) return unknown;
    const reason = "the venue has neither the order nor a trade of it, and its validity window has passed";
    return this.#took(await journal.markNotSent(clientOrderId, reason));
  }

  async #differs(stored: StoredOrder): Promise<boolean> {
    if (stored.state === "AboutToSend" || stored.state === "Unknown") return true;
    // Of an ended entry only its legs are left, and those are asked about one by one.
    if (this.#protection && terminalOrderStates.has(stored.state)) return false;
    try {
      const reported = await this.#options.venue.lookup(sentOrderOf(stored));
      return (
        !reported ||
        reported.state !== stored.state ||
        reported.filledQuantity !== stored.filledQuantity ||
        (!this.#protection && reported.protectiveLegs.toSorted().join() !== stored.protectiveLegs.join()) ||
        wantsCancel(stored, reported)
      );
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      return false;
    }
  }

  #took(change: Change): StoredOrder {
    if (change.changed) this.#publish(change);
    return change.order;
  }

  #publish(change: Change): void {
    this.#options.metrics.filled(change.fills);
    this.#options.publish({ order: brokerOrderOf(change.order), fills: change.fills });
  }
}

/**
 * A hint often tells of what the answer to the order has told already: a transaction that changes nothing would cost a sync of the disk all the same, for
 * the lock on the writer epoch. The filled quantity of a row is the sum of the trades beside it, so that the same quantity is the same trades; those of
 * resting legs are not in it.
 */
function saysNothingNew(stored: StoredOrder, reported: VenueOrder): boolean {
  return (
    stored.state === reported.state &&
    stored.venueOrderId === reported.venueOrderId &&
    stored.filledQuantity === reported.filledQuantity &&
    stored.protectiveLegs.length + reported.protectiveLegs.length === 0 &&
    (reported.reason === undefined || stored.reason === reported.reason)
  );
}

/** @throws CodedError with the code that the venue's health names */
function requireAccepted(order: FinalOrder, { accepts, code, message }: VenueHealth): void {
  if (accepts === "all" || (accepts === "reducing" && order.side === "sell")) return;
  throw new CodedError<BrokerErrorCode>(code ?? "VENUE_STALE", message);
}

const isProtected = ({ protectiveLegs }: StoredOrder): boolean => protectiveLegs.length > 0;

function sentOrderOf({ order, venueOrderId, aboutToSendAtMs }: StoredOrder): SentOrder {
  return {
    order,
    ...(venueOrderId === undefined ? {} : { venueOrderId }),
    ...(aboutToSendAtMs === undefined ? {} : { aboutToSendAtMs }),
  };
}

function wantsCancel(stored: StoredOrder, reported: VenueOrder): boolean {
  if (stored.cancelRequested === undefined) return false;
  if (!terminalOrderStates.has(reported.state)) return true;
  return stored.cancelRequested === "all" && reported.protectiveLegs.length > 0;
}

function requireSameBytes(stored: StoredOrder, body: string): StoredOrder {
  if (stored.body === body) return stored;
  throw new CodedError<BrokerErrorCode>("CLIENT_ORDER_ID_REUSED", "this client order id is known with other bytes", {
    context: { clientOrderId: stored.order.clientOrderId },
  });
}
