import type { Transaction } from "@bellwether/postgres";
import { type OrderState, formatDecimal, orderState, parseCanonicalOrder, parseDecimal } from "@bellwether/trading";
import type { PlannedDecision, PlannedIntent, PlannedOrder } from "../decisions/plan-decision.ts";
import { type BookOrder, unfilledOrder } from "../portfolio/book.ts";

interface OrderRow {
  client_order_id: string;
  strategy_uid: string;
  quantity: string;
  expected_quote: string;
  reserved_quote: string;
  body: string;
  epoch: string;
  state: string;
  cancel_requested: "entry" | "all" | null;
  created_ms: string;
}

const orderColumns = `o.client_order_id, o.strategy_uid, o.quantity, o.expected_quote, o.reserved_quote, o.body, o.epoch, o.state, o.cancel_requested,
  floor(extract(epoch from o.created_at) * 1000)::bigint as created_ms`;

/** Orders of an account whose release is not stored: as committed, before anything the broker says of them. */
export async function readUnreleasedOrders(transaction: Transaction, accountUid: string): Promise<BookOrder[]> {
  const rows = await transaction.query<OrderRow>(
    `select ${orderColumns} from risk.orders o where o.account_uid = $1 and o.released_at is null order by o.created_at, o.client_order_id`,
    [accountUid],
  );
  return rows.map((row) => bookOrder(row, false));
}

/** When the newest orders of an account were decided on (market time), newest first: what the rate of orders is counted from. */
export async function readRecentDecisionTimes(reader: Transaction, accountUid: string): Promise<number[]> {
  const rows = await reader.query<{ decision_time_ms: string }>(
    `select i.decision_time_ms from risk.orders o join risk.intents i using (intent_id)
     where o.account_uid = $1 order by i.decision_time_ms desc limit 6000`,
    [accountUid],
  );
  return rows.map((row) => Number(row.decision_time_ms));
}

/**
 * When risk sold what strategies hold, each order one row, as far back as asked for.
 *
 * @param withinMs milliseconds, by the journal's clock
 * @returns milliseconds ago, by that clock, too: it may differ from risk's
 */
export async function readRecentSales(
  reader: Transaction,
  strategyUids: readonly string[],
  withinMs: number,
): Promise<{ uid: string; agoMs: number }[]> {
  const rows = await reader.query<{ strategy_uid: string; created_ms: string; now_ms: string }>(
    `select strategy_uid, floor(extract(epoch from created_at) * 1000)::bigint as created_ms, floor(extract(epoch from now()) * 1000)::bigint as now_ms
     from risk.intents where strategy_uid = any($1) and kind = 'flatten' and created_at > now() - $2::interval`,
    [strategyUids, `${withinMs} milliseconds`],
  );
  return rows.map(({ strategy_uid: uid, created_ms, now_ms }) => ({ uid, agoMs: Number(now_ms) - Number(created_ms) }));
}

/** Released orders whose protective legs rest at the venue. */
export async function readProtectedOrders(transaction: Transaction, accountUid: string): Promise<BookOrder[]> {
  const rows = await transaction.query<OrderRow>(
    `select ${orderColumns} from risk.orders o
     join broker.orders b using (client_order_id)
     where o.account_uid = $1 and o.released_at is not null and b.protective_legs <> '{}'`,
    [accountUid],
  );
  return rows.map((row) => bookOrder(row, true));
}

/** One order, ended or not. */
export async function readOrder(transaction: Transaction, id: string): Promise<BookOrder | undefined> {
  const [row] = await transaction.query<OrderRow & { released: boolean }>(
    `select ${orderColumns}, o.released_at is not null as released from risk.orders o where o.client_order_id = $1`,
    [id],
  );
  return row && bookOrder(row, row.released);
}

function bookOrder(row: OrderRow, releaseStored: boolean): BookOrder {
  return unfilledOrder({
    order: parseCanonicalOrder(row.body),
    body: row.body,
    strategyUid: row.strategy_uid,
    epoch: Number(row.epoch),
    quantity: parseDecimal(row.quantity),
    reservation: parseDecimal(row.expected_quote),
    maxCost: parseDecimal(row.reserved_quote),
    createdAtMs: Number(row.created_ms),
    state: orderState.parse(row.state),
    cancelRequested: row.cancel_requested ?? undefined,
    releaseStored,
  });
}

export interface DecisionKey {
  readonly strategyUid: string;
  readonly accountUid: string;
  readonly run: number;
  readonly decisionTime: number;
  readonly epoch: number;
}

/** Intents with their verdicts, final orders with their reservations, and the nonces of their approvals. */
export async function insertPlan(transaction: Transaction, key: DecisionKey, plan: PlannedDecision): Promise<void> {
  const { judgedWith } = plan;
  await Promise.all([
    ...plan.intents.map((intent) => insertIntent(transaction, key, { intent, judgedWith })),
    ...plan.orders.map((order) => insertOrder(transaction, key, order)),
  ]);
}

async function insertIntent(
  transaction: Transaction,
  { strategyUid, run, decisionTime }: DecisionKey,
  { intent, judgedWith }: { intent: PlannedIntent; judgedWith: Readonly<Record<string, string>> },
): Promise<void> {
  const { verdict, result } = intent;
  await transaction.query(
    `insert into risk.intents (intent_id, strategy_uid, run, decision_time_ms, ordinal, kind, body, allowed, reason, verdict, judged_with)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      intent.intentId,
      strategyUid,
      run,
      decisionTime,
      intent.ordinal,
      intent.kind,
      JSON.stringify(intent.body),
      verdict.allowed,
      verdict.allowed ? null : verdict.reason,
      JSON.stringify(result.verdict),
      JSON.stringify({ ...judgedWith, ...intent.reasons }),
    ],
  );
}

async function insertOrder(
  transaction: Transaction,
  { strategyUid, accountUid, epoch }: DecisionKey,
  planned: PlannedOrder,
): Promise<void> {
  const { order } = planned;
  await transaction.query(
    `insert into risk.orders (client_order_id, intent_id, attempt, account_uid, strategy_uid, market, side, order_type, quantity, reference_price,
       reduce_only, body, expected_quote, reserved_quote, reserved_base, epoch)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
    [
      order.clientOrderId,
      order.intentId,
      order.attempt,
      accountUid,
      strategyUid,
      order.market,
      order.side,
      order.type,
      order.quantity,
      formatDecimal(planned.referencePrice),
      order.reduceOnly,
      planned.body,
      formatDecimal(planned.reservation),
      formatDecimal(planned.maxCost),
      order.side === "sell" ? order.quantity : "0",
      epoch,
    ],
  );
}

export interface OrderEnd {
  readonly clientOrderId: string;
  readonly state: OrderState;
  readonly reason: string | undefined;
}

/** Writes down that reservations have ended. The broker's row is the reason; writing it twice changes nothing. */
export async function storeReleases(transaction: Transaction, ends: readonly OrderEnd[]): Promise<void> {
  await transaction.query(
    `update risk.orders o set state = e.state, reason = e.reason, released_at = now(), updated_at = now()
     from jsonb_to_recordset($1::jsonb) as e("clientOrderId" text, state text, reason text)
     where o.client_order_id = e."clientOrderId" and o.released_at is null`,
    [JSON.stringify(ends)],
  );
}

export async function storeCancelRequest(transaction: Transaction, id: string, legs: "entry" | "all"): Promise<void> {
  await transaction.query(
    "update risk.orders set cancel_requested = case when cancel_requested = 'all' then 'all' else $2 end, updated_at = now() where client_order_id = $1",
    [id, legs],
  );
}

/** An approval's single-use nonce, committed before anything is signed with it. */
export async function storeNonce(
  transaction: Transaction,
  approval: { nonce: string; clientOrderId: string; keyId: string; epoch: number; attempt: number },
): Promise<void> {
  await transaction.query(
    "insert into risk.approvals (nonce, client_order_id, key_id, epoch, attempt) values ($1, $2, $3, $4, $5)",
    [approval.nonce, approval.clientOrderId, approval.keyId, approval.epoch, approval.attempt],
  );
}
