import { type JournalDatabase, type Transaction, holdsWriterEpoch, takeWriterEpoch } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import {
  type FinalOrder,
  type OrderState,
  type WireFill,
  add,
  formatDecimal,
  parseCanonicalOrder,
  parseDecimal,
  terminalOrderStates,
  transition,
} from "@bellwether/trading";
import type { OrderRecord } from "../durable/send-log.ts";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import type { VenueOrder, VenueTrade } from "../venues/venue.ts";
import { type KeySilence, accountInUse, claimKey } from "./key-claim.ts";
import { type CancelLegs, type OrderRow, type StoredOrder, orderColumns, storedOrder } from "./stored-order.ts";

export interface JournalOptions {
  /** One whose transactions are queued: revisions and sequences of an account must never become visible out of order. */
  readonly database: JournalDatabase;
  readonly accountUid: string;
  /** `accounts[].name`, as it stands in orders and fills. */
  readonly account: string;
  readonly failPoints: FailPoints;
  /** Another process has taken over: this one has to end. */
  onFenced(): void;
}

export interface AboutToSend {
  readonly order: FinalOrder;
  readonly body: string;
  readonly nonce: string;
  readonly keyId: string;
  readonly riskEpoch: number;
  readonly atMs: number;
  /** Counts against the daily cap; "0" for what shrinks a position. */
  readonly notional: string;
  readonly dailyCap?: { readonly sinceMs: number; readonly maximum: string };
}

/** What changed, to be told to whoever listens: only after the commit. */
export interface Change {
  readonly order: StoredOrder;
  readonly fills: readonly WireFill[];
  /** False when the report said nothing new. */
  readonly changed: boolean;
}

/**
 * The broker's memory in Postgres: orders, fills, epochs. Every write is one transaction that first holds the writer epoch, so that a
 * superseded process writes nothing.
 */
export class Journal {
  readonly #options: JournalOptions;
  #writerEpoch = 0;
  #keySilence: KeySilence | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  get writerEpoch(): number {
    return this.#writerEpoch;
  }

  /**
   * Makes this process the only writer of the account: one above every epoch ever issued, `floor` (what the send log remembers) included.
   * Waits for write transactions of the holder before to end.
   */
  async takeWriterEpoch(holder: string, floor: number): Promise<number> {
    const { database, accountUid } = this.#options;
    this.#writerEpoch = await database.transaction((transaction) =>
      takeWriterEpoch(transaction, { schema: "broker", scope: accountUid }, { holder, floor }),
    );
    return this.#writerEpoch;
  }

  async order(clientOrderId: string): Promise<StoredOrder | undefined> {
    const rows = await this.#options.database.query<OrderRow>(
      `select ${orderColumns} from broker.orders where client_order_id = $1 and account_uid = $2`,
      [clientOrderId, this.#options.accountUid],
    );
    return rows[0] && storedOrder(rows[0]);
  }

  /** Orders that something may still happen to at the venue, oldest first. */
  async trackedOrders(): Promise<readonly StoredOrder[]> {
    const rows = await this.#options.database.query<OrderRow>(
      `select ${orderColumns} from broker.orders
       where account_uid = $1 and (state in ('AboutToSend', 'Unknown', 'Working') or protective_legs <> '{}') order by revision limit 10000`,
      [this.#options.accountUid],
    );
    return rows.map(storedOrder);
  }

  /** Which of these ids have no row of this account. */
  async missing(clientOrderIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#options.database.query<{ client_order_id: string }>(
      "select client_order_id from broker.orders where account_uid = $1 and client_order_id = any($2)",
      [this.#options.accountUid, clientOrderIds],
    );
    const known = new Set(rows.map((row) => row.client_order_id));
    return new Set(clientOrderIds.filter((id) => !known.has(id)));
  }

  /** Of orders at the venue those that nobody here has sent and no person has looked at. */
  async foreign(venueIds: readonly string[]): Promise<ReadonlySet<string>> {
    const missing = await this.missing(venueIds);
    if (missing.size === 0) return missing;
    const rows = await this.#options.database.query<{ venue_id: string }>(
      "select venue_id from broker.adopted_orders where account_uid = $1 and venue_id = any($2)",
      [this.#options.accountUid, [...missing]],
    );
    const adopted = new Set(rows.map((row) => row.venue_id));
    return new Set([...missing].filter((id) => !adopted.has(id)));
  }

  /** Which of these executions stand here. */
  async knownTrades(tradeIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#options.database.query<{ trade_id: string }>(
      "select trade_id from broker.fills where account_uid = $1 and trade_id = any($2)",
      [this.#options.accountUid, tradeIds],
    );
    return new Set(rows.map((row) => row.trade_id));
  }

  /** Orders of another hand that a person takes note of. */
  async adopt(venueIds: readonly string[], { who, reason }: { who: string; reason: string }): Promise<void> {
    await this.#write(async (transaction) => {
      for (const venueId of venueIds)
        await transaction.query(
          "insert into broker.adopted_orders (account_uid, venue_id, who, reason) values ($1, $2, $3, $4) on conflict (account_uid, venue_id) do nothing",
          [this.#options.accountUid, venueId, who, reason],
        );
    });
  }

  /** The public key of an approval, or undefined when this policy's risk has not published it under this epoch. */
  async riskKey(keyId: string, policyUid: string): Promise<{ publicKey: string; epoch: number } | undefined> {
    const [row] = await this.#options.database.query<{ public_key: string; epoch: string }>(
      "select public_key, epoch from risk.public_keys where key_id = $1 and policy_uid = $2",
      [keyId, policyUid],
    );
    return row && { publicKey: row.public_key, epoch: Number(row.epoch) };
  }

  /** Remembers an epoch that the send log has seen; a lower one changes nothing. */
  async raiseRiskEpoch(epoch: number): Promise<void> {
    await this.#write((transaction) => this.#seenRiskEpoch(transaction, epoch));
  }

  /**
   * The order's first row, state AboutToSend; or the row that is there already, which means that nothing may be sent.
   *
   * @throws CodedError EPOCH_STALE, NONCE_REUSED, INTENT_ALREADY_PLACED, HARD_CAP_DAILY_NOTIONAL: nothing is recorded then
   */
  async aboutToSend(request: AboutToSend): Promise<{ readonly order: StoredOrder; readonly created: boolean }> {
    const { accountUid } = this.#options;
    const { order } = request;
    return this.#write(async (transaction) => {
      // All that decides travels together, and then all that is written: each way there and back would keep the orders behind it waiting.
      const [existing, highestEpoch, used, dailyNotional] = await Promise.all([
        this.#row(transaction, order.clientOrderId),
        this.#seenRiskEpoch(transaction, request.riskEpoch),
        this.#usedBefore(transaction, request),
        this.#dailyNotional(transaction, request),
      ]);
      if (existing) return { order: existing, created: false };
      requireRiskEpoch(request.riskEpoch, highestEpoch);
      requireFresh(request, used);
      requireDailyRoom(request, dailyNotional);
      const inserted = transaction.query<OrderRow>(
        `insert into broker.orders (client_order_id, account_uid, intent_id, attempt, body, state, notional, risk_epoch, writer_epoch, about_to_send_at_ms)
         values ($1, $2, $3, $4, $5, 'AboutToSend', $6, $7, $8, $9) returning ${orderColumns}`,
        [
          order.clientOrderId,
          accountUid,
          order.intentId,
          order.attempt,
          request.body,
          request.notional,
          request.riskEpoch,
          this.#writerEpoch,
          request.atMs,
        ],
      );
      const nonceStored = transaction.query(
        "insert into broker.nonces (account_uid, nonce, client_order_id, key_id) values ($1, $2, $3, $4)",
        [accountUid, request.nonce, order.clientOrderId, request.keyId],
      );
      const [[row]] = await Promise.all([inserted, nonceStored]);
      return { order: storedOrder(required(row)), created: true };
    });
  }

  /** Records that an order was never sent and never will be; a known order is left as it is. */
  async tombstone(body: string, riskEpoch: number): Promise<{ readonly order: StoredOrder; readonly created: boolean }> {
    const order = parseCanonicalOrder(body);
    return this.#write(async (transaction) => {
      requireRiskEpoch(riskEpoch, await this.#seenRiskEpoch(transaction, riskEpoch));
      const existing = await this.#row(transaction, order.clientOrderId);
      if (existing) return { order: existing, created: false };
      const created = await this.#insertUnsent(transaction, { body, riskEpoch, reason: "voided by risk before it was seen" });
      return { order: created, created: true };
    });
  }

  /**
   * Brings in what the send log knows and Postgres does not (it came back from an older copy): a sent order as Unknown, to be resolved by
   * what the venue says, a void as NotSent. What still waits to be filled is taken back: risk's journal is as old and may not know the order, and nobody
   * would ever ask for its end.
   */
  async importSent(record: OrderRecord): Promise<void> {
    await this.#write(async (transaction) => {
      const order = parseCanonicalOrder(record.order);
      if (await this.#row(transaction, order.clientOrderId)) return;
      if (record.kind === "void") {
        await this.#insertUnsent(transaction, {
          body: record.order,
          riskEpoch: record.riskEpoch,
          reason: "voided by risk; restored from the send log",
        });
        return;
      }
      await transaction.query(
        `insert into broker.orders (client_order_id, account_uid, intent_id, attempt, body, state, reason, cancel_requested, risk_epoch, writer_epoch, about_to_send_at_ms)
         values ($1, $2, $3, $4, $5, 'Unknown', 'restored from the send log', 'entry', $6, $7, $8)`,
        [
          order.clientOrderId,
          this.#options.accountUid,
          order.intentId,
          order.attempt,
          record.order,
          record.riskEpoch,
          this.#writerEpoch,
          record.aboutToSendAtMs,
        ],
      );
    });
  }

  /** AboutToSend → Unknown; any other state is left alone. */
  async markUnknown(clientOrderId: string, reason: string): Promise<Change> {
    return this.#change(clientOrderId, (stored) => (stored.state === "AboutToSend" ? { state: "Unknown", reason } : {}));
  }

  /** Unknown → NotSent: only after the venue has proven that it has no such order. */
  async markNotSent(clientOrderId: string, reason: string): Promise<Change> {
    return this.#change(clientOrderId, (stored) => (stored.state === "Unknown" ? { state: "NotSent", reason } : {}));
  }

  /** The venue's definite refusal of the one request that was sent. */
  async markRejected(clientOrderId: string, reason: string): Promise<Change> {
    return this.#change(clientOrderId, (stored) => ({ state: transition(stored.state, "Rejected"), reason }));
  }

  async requestCancel(clientOrderId: string, legs: CancelLegs): Promise<Change> {
    return this.#change(clientOrderId, (stored) =>
      stored.cancelRequested === "all" || stored.cancelRequested === legs ? {} : { cancelRequested: legs },
    );
  }

  /**
   * Takes over what the venue says of an order, with all its executions, in one transaction. A terminal state, or the end of a protective
   * leg, is recorded only together with the fills that it rests on.
   *
   * @throws CodedError VENUE_INCONSISTENT when the venue takes back what it said before
   */
  async recordVenueOrder(reported: VenueOrder, trades: readonly VenueTrade[]): Promise<Change> {
    this.#options.failPoints.pass("before-journal-fill");
    const change = await this.#write(async (transaction) => {
      const stored = required(await this.#row(transaction, reported.clientOrderId));
      const fills = await this.#insertFills(transaction, trades, reported.clientOrderId);
      const filled = trades
        .filter((trade) => trade.leg === "entry")
        .reduce((sum, trade) => add(sum, parseDecimal(trade.quantity)), parseDecimal("0"));
      const state = stateAfter(stored, reported, formatDecimal(filled));
      const update = await this.#update(transaction, stored, {
        state,
        venueOrderId: reported.venueOrderId,
        filledQuantity: formatDecimal(filled),
        protectiveLegs: [...reported.protectiveLegs].sort(),
        ...(reported.reason === undefined ? {} : { reason: reported.reason }),
      });
      return { ...update, fills, changed: update.changed || fills.length > 0 };
    });
    if (change.fills.length > 0) this.#options.failPoints.pass("after-journal-fill");
    return change;
  }

  /**
   * Executions of an order's protective legs, and which legs it has from now on (absent: as before), in one transaction with whatever else is to be
   * recorded of them.
   */
  async recordLegs(
    clientOrderId: string,
    change: {
      readonly trades?: readonly VenueTrade[];
      readonly protectiveLegs?: StoredOrder["protectiveLegs"];
      readonly also?: (transaction: Transaction) => Promise<void>;
    },
  ): Promise<Change> {
    const { trades = [], protectiveLegs, also } = change;
    if (trades.length > 0) this.#options.failPoints.pass("before-journal-fill");
    const recorded = await this.#write(async (transaction) => {
      const stored = required(await this.#row(transaction, clientOrderId));
      const fills = await this.#insertFills(transaction, trades, clientOrderId);
      await also?.(transaction);
      const update = await this.#update(
        transaction,
        stored,
        protectiveLegs ? { protectiveLegs: [...protectiveLegs].sort() } : {},
      );
      return { ...update, fills, changed: update.changed || fills.length > 0 };
    });
    if (recorded.fills.length > 0) this.#options.failPoints.pass("after-journal-fill");
    return recorded;
  }

  /** For statements that only read; each sees what is committed. */
  get reader(): Transaction {
    return this.#options.database;
  }

  async #change(clientOrderId: string, decide: (stored: StoredOrder) => OrderUpdate): Promise<Change> {
    return this.#write(async (transaction) => {
      const stored = required(await this.#row(transaction, clientOrderId));
      return { ...(await this.#update(transaction, stored, decide(stored))), fills: [] };
    });
  }

  /**
   * Makes a venue's key this account's, or renews the claim (key-claim.ts): to be repeated every `keyClaim.renewEveryMs`, refused every `retryEveryMs`.
   *
   * @throws CodedError ACCOUNT_IN_USE, WRITER_FENCED, JOURNAL_UNAVAILABLE
   */
  async claimKey(fingerprint: string): Promise<void> {
    const { accountUid } = this.#options;
    const claim = { fingerprint, accountUid, silence: this.#keySilence };
    const answer = await this.#write((transaction) => claimKey(transaction, claim));
    this.#keySilence = answer.claimed ? undefined : answer.silence;
    if (!answer.claimed) throw accountInUse(answer.holder);
  }

  /**
   * One write transaction that holds the writer epoch: for the records that a venue keeps of its own (signed bytes, protective orders).
   *
   * @throws CodedError WRITER_FENCED, JOURNAL_UNAVAILABLE (the outcome is unknown)
   */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#write(work);
  }

  async #write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#options.database.transaction(async (transaction) => {
      const held = { schema: "broker" as const, scope: this.#options.accountUid, epoch: this.#writerEpoch };
      const holds = holdsWriterEpoch(transaction, held);
      // Its first statements travel with that one and are executed after it. Nothing of it may still run when the connection is given back.
      const working = work(transaction);
      await Promise.allSettled([holds, working]);
      if (await holds) return working;
      this.#options.onFenced();
      const { accountUid } = this.#options;
      throw new CodedError<BrokerErrorCode>(
        "WRITER_FENCED",
        `epoch ${this.#writerEpoch} of account ${accountUid} has been superseded`,
        {
          context: { accountUid, epoch: this.#writerEpoch },
        },
      );
    });
  }

  async #row(transaction: Transaction, clientOrderId: string): Promise<StoredOrder | undefined> {
    const rows = await transaction.query<OrderRow>(
      `select ${orderColumns} from broker.orders where client_order_id = $1 and account_uid = $2`,
      [clientOrderId, this.#options.accountUid],
    );
    return rows[0] && storedOrder(rows[0]);
  }

  /** The highest risk epoch seen, this one included. */
  async #seenRiskEpoch(transaction: Transaction, epoch: number): Promise<number> {
    const [row] = await transaction.query<{ epoch: string }>(
      `insert into broker.highest_risk_epoch (account_uid, epoch) values ($1, $2)
       on conflict (account_uid) do update set
         epoch = greatest(broker.highest_risk_epoch.epoch, excluded.epoch),
         seen_at = case when excluded.epoch > broker.highest_risk_epoch.epoch then now() else broker.highest_risk_epoch.seen_at end
       returning epoch`,
      [this.#options.accountUid, epoch],
    );
    return Number(required(row).epoch);
  }

  /** What has been done with a nonce and an intent before. */
  async #usedBefore(transaction: Transaction, { nonce, order }: AboutToSend): Promise<UsedBefore> {
    const { accountUid } = this.#options;
    const [nonces, attempts] = await Promise.all([
      transaction.query("select 1 from broker.nonces where account_uid = $1 and nonce = $2", [accountUid, nonce]),
      transaction.query<UsedBefore["attempts"][number]>(
        "select attempt, state from broker.orders where account_uid = $1 and intent_id = $2 and (attempt = $3 or state not in ('NotSent', 'Rejected'))",
        [accountUid, order.intentId, order.attempt],
      ),
    ]);
    return { nonce: nonces.length > 0, attempts };
  }

  /** Of the account's orders of the day, this one not yet among them; "0" where there is no cap. */
  async #dailyNotional(transaction: Transaction, { notional, dailyCap }: AboutToSend): Promise<string> {
    if (!dailyCap || notional === "0") return "0";
    const [row] = await transaction.query<{ used: string }>(
      `select trim_scale(coalesce(sum(notional), 0))::text as used from broker.orders
       where account_uid = $1 and about_to_send_at_ms >= $2 and notional > 0 and state not in ('NotSent', 'Rejected')`,
      [this.#options.accountUid, dailyCap.sinceMs],
    );
    return required(row).used;
  }

  async #insertUnsent(
    transaction: Transaction,
    unsent: { body: string; riskEpoch: number; reason: string },
  ): Promise<StoredOrder> {
    const order = parseCanonicalOrder(unsent.body);
    const { accountUid } = this.#options;
    const [row] = await transaction.query<OrderRow>(
      `insert into broker.orders (client_order_id, account_uid, intent_id, attempt, body, state, reason, risk_epoch, writer_epoch)
       values ($1, $2, $3, $4, $5, 'NotSent', $6, $7, $8) returning ${orderColumns}`,
      [
        order.clientOrderId,
        accountUid,
        order.intentId,
        order.attempt,
        unsent.body,
        unsent.reason,
        unsent.riskEpoch,
        this.#writerEpoch,
      ],
    );
    await transaction.query("insert into broker.tombstones (client_order_id, account_uid, risk_epoch) values ($1, $2, $3)", [
      order.clientOrderId,
      accountUid,
      unsent.riskEpoch,
    ]);
    return storedOrder(required(row));
  }

  /** Those of the trades that were not known yet, in one statement. */
  async #insertFills(
    transaction: Transaction,
    trades: readonly VenueTrade[],
    clientOrderId: string,
  ): Promise<readonly WireFill[]> {
    const foreign = trades.find((trade) => trade.clientOrderId !== clientOrderId);
    if (foreign) throw inconsistent("a trade of another order was reported", { clientOrderId, tradeId: foreign.tradeId });
    if (trades.length === 0) return [];
    const inserted = await transaction.query<{ trade_id: string }>(
      `insert into broker.fills (account_uid, trade_id, client_order_id, market, side, quantity, price, fee, fee_asset, time_ms, leg)
       select $1, t."tradeId", t."clientOrderId", t.market, t.side, t.quantity, t.price, t.fee, t."feeAsset", t.time, t.leg
       from jsonb_to_recordset($2::jsonb) as t("tradeId" text, "clientOrderId" text, market text, side text, quantity numeric,
         price numeric, fee numeric, "feeAsset" text, time bigint, leg text, position int)
       order by t.position
       on conflict (account_uid, trade_id) do nothing returning trade_id`,
      [this.#options.accountUid, JSON.stringify(trades.map((trade, position) => ({ ...trade, position })))],
    );
    const fresh = new Set(inserted.map((row) => row.trade_id));
    return trades.filter((trade) => fresh.has(trade.tradeId)).map((trade) => ({ account: this.#options.account, ...trade }));
  }

  /** Writes only what differs: a repeated report leaves revision and time of the row alone. */
  async #update(
    transaction: Transaction,
    stored: StoredOrder,
    update: OrderUpdate,
  ): Promise<{ readonly order: StoredOrder; readonly changed: boolean }> {
    const next = { ...stored, ...update };
    if (sameOrder(stored, next)) return { order: stored, changed: false };
    const [row] = await transaction.query<OrderRow>(
      `update broker.orders set state = $2, venue_order_id = $3, filled_quantity = $4, protective_legs = $5, reason = $6, cancel_requested = $7,
         updated_at = clock_timestamp(), revision = nextval('broker.order_revisions')
       where client_order_id = $1 returning ${orderColumns}`,
      [
        stored.order.clientOrderId,
        next.state,
        next.venueOrderId ?? null,
        next.filledQuantity,
        next.protectiveLegs,
        next.reason?.slice(0, 500) ?? null,
        next.cancelRequested ?? null,
      ],
    );
    return { order: storedOrder(required(row)), changed: true };
  }
}

interface UsedBefore {
  readonly nonce: boolean;
  /** The same attempt of the intent, and others that are not known never to have been placed. */
  readonly attempts: readonly { readonly attempt: number; readonly state: string }[];
}

function requireRiskEpoch(epoch: number, highest: number): void {
  if (highest <= epoch) return;
  throw new CodedError<BrokerErrorCode>("EPOCH_STALE", `risk epoch ${epoch} is below ${highest}, which this broker has seen`, {
    context: { epoch, highest },
  });
}

function requireFresh({ order }: AboutToSend, { nonce, attempts }: UsedBefore): void {
  if (nonce) throw new CodedError<BrokerErrorCode>("NONCE_REUSED", "this approval's nonce was used for another order");
  const [other] = attempts;
  if (!other) return;
  throw new CodedError<BrokerErrorCode>(
    "INTENT_ALREADY_PLACED",
    `attempt ${other.attempt} of ${order.intentId} is ${other.state}`,
    {
      context: { intentId: order.intentId, attempt: other.attempt, state: other.state },
    },
  );
}

function requireDailyRoom({ notional, dailyCap }: AboutToSend, used: string): void {
  if (!dailyCap || notional === "0" || add(parseDecimal(used), parseDecimal(notional)) <= parseDecimal(dailyCap.maximum)) return;
  throw new CodedError<BrokerErrorCode>(
    "HARD_CAP_DAILY_NOTIONAL",
    `${used} of ${dailyCap.maximum} are used today, this order is another ${notional}`,
    { context: { used, notional, maximum: dailyCap.maximum } },
  );
}

type OrderUpdate = Partial<
  Pick<StoredOrder, "state" | "venueOrderId" | "filledQuantity" | "protectiveLegs" | "reason" | "cancelRequested">
>;

function sameOrder(left: StoredOrder, right: StoredOrder): boolean {
  return (
    left.state === right.state &&
    left.venueOrderId === right.venueOrderId &&
    left.filledQuantity === right.filledQuantity &&
    left.protectiveLegs.join() === right.protectiveLegs.join() &&
    left.reason === right.reason &&
    left.cancelRequested === right.cancelRequested
  );
}

/** The state to record: the venue's, once all the executions it speaks of are here. */
function stateAfter(stored: StoredOrder, reported: VenueOrder, filled: string): OrderState {
  const context = { clientOrderId: reported.clientOrderId, journal: stored.state, venue: reported.state };
  if (terminalOrderStates.has(stored.state)) {
    if (stored.state !== reported.state)
      throw inconsistent(`the venue reports ${reported.state} of an order that ended as ${stored.state}`, context);
    return stored.state;
  }
  const complete = parseDecimal(filled) === parseDecimal(reported.filledQuantity);
  if (terminalOrderStates.has(reported.state) && !complete) {
    throw inconsistent(`the venue reports ${reported.filledQuantity} filled and trades of ${filled}`, context);
  }
  return transition(stored.state, reported.state);
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw broken("a row that must be there is not");
  return value;
}

function broken(message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", message);
}

function inconsistent(message: string, context: Record<string, unknown>): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", message, { context });
}
