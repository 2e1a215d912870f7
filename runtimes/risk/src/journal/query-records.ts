import type { Transaction } from "@bellwether/postgres";
import {
  type BrokerOrder,
  type IntentReply,
  type OrderEntry,
  type WireFill,
  ZERO,
  add,
  decisionEvidence,
  divide,
  formatDecimal,
  multiply,
  orderState,
  parseCanonicalOrder,
  parseDecimal,
  sizingStep,
  verdictStep,
  wireVerdict,
} from "@bellwether/trading";
import { z } from "zod";
import type { FillRow } from "./venue-records.ts";

/** What the journals of risk and broker know of orders and intents, for people. Nothing here decides anything. */

interface OrderRow {
  client_order_id: string;
  strategy_uid: string;
  strategy_name: string;
  body: string;
  risk_state: string;
  broker_state: string | null;
  venue_order_id: string | null;
  filled_quantity: string | null;
  protective_legs: ("stopLoss" | "takeProfit")[] | null;
  reason: string | null;
  broker_reason: string | null;
  created_ms: string;
  updated_ms: string;
}

const orderColumns = `o.client_order_id, o.strategy_uid, s.name as strategy_name, o.body, o.state as risk_state, b.state as broker_state, b.venue_order_id,
  b.filled_quantity, b.protective_legs, o.reason, b.reason as broker_reason,
  floor(extract(epoch from o.created_at) * 1000)::bigint as created_ms,
  floor(extract(epoch from coalesce(b.updated_at, o.updated_at)) * 1000)::bigint as updated_ms`;
const orderTables =
  "risk.orders o join risk.strategies s on s.uid = o.strategy_uid left join broker.orders b using (client_order_id)";

export interface OrdersWanted {
  readonly accountUids: readonly string[];
  /** Uids; absent: all. */
  readonly strategyUids?: readonly string[] | undefined;
  readonly open: boolean;
  readonly limit: number;
}

/** Newest first; one more than wanted tells that there are more. */
export async function readOrders(
  reader: Transaction,
  { accountUids, strategyUids, open, limit }: OrdersWanted,
): Promise<OrderEntry[]> {
  const rows = await reader.query<OrderRow>(
    `select ${orderColumns} from ${orderTables}
     where o.account_uid = any($1) and ($2::text[] is null or o.strategy_uid = any($2)) and (not $3 or o.released_at is null)
     order by o.created_at desc, o.client_order_id limit $4`,
    [accountUids, strategyUids ?? null, open, limit + 1],
  );
  const prices = await readAveragePrices(
    reader,
    rows.map((row) => row.client_order_id),
  );
  return rows.map((row) => {
    const averagePrice = prices.get(row.client_order_id);
    return {
      strategy: row.strategy_name,
      strategyUid: row.strategy_uid,
      order: brokerOrderOf(row),
      createdAt: Number(row.created_ms),
      ...(averagePrice !== undefined && { averagePrice }),
    };
  });
}

function brokerOrderOf(row: OrderRow): BrokerOrder {
  const reason = row.broker_reason ?? row.reason;
  return {
    order: parseCanonicalOrder(row.body),
    state: orderState.parse(row.broker_state ?? row.risk_state),
    ...(row.venue_order_id !== null && { venueOrderId: row.venue_order_id }),
    filledQuantity: formatDecimal(parseDecimal(row.filled_quantity ?? "0")),
    protectiveLegs: row.protective_legs ?? [],
    ...(reason !== null && { reason: reason.slice(0, 500) }),
    updatedAt: Number(row.updated_ms),
  };
}

/** Volume-weighted, of the entry's fills. */
async function readAveragePrices(reader: Transaction, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await reader.query<{ client_order_id: string; quantity: string; price: string }>(
    "select client_order_id, quantity, price from broker.fills where client_order_id = any($1) and leg = 'entry'",
    [ids],
  );
  const sums = new Map<string, { quantity: ReturnType<typeof parseDecimal>; notional: ReturnType<typeof parseDecimal> }>();
  for (const row of rows) {
    const { quantity, notional } = sums.get(row.client_order_id) ?? { quantity: ZERO, notional: ZERO };
    const filled = parseDecimal(row.quantity);
    sums.set(row.client_order_id, {
      quantity: add(quantity, filled),
      notional: add(notional, multiply(filled, parseDecimal(row.price), "halfEven")),
    });
  }
  return new Map([...sums].map(([id, { quantity, notional }]) => [id, formatDecimal(divide(notional, quantity, "halfEven"))]));
}

interface IntentRow {
  intent_id: string;
  strategy_uid: string;
  strategy_name: string;
  account_name: string;
  kind: IntentReply["kind"];
  decision_time_ms: string;
  evidence: unknown;
  judged_ms: string;
  body: Record<string, unknown>;
  verdict: unknown;
  judged_with: Record<string, unknown>;
}

/** Everything known of an intent, by its id or by the client order id of one of its orders. */
export async function readIntent(reader: Transaction, policyUid: string, id: string): Promise<IntentReply | undefined> {
  const [row] = await reader.query<IntentRow>(
    `select i.intent_id, i.strategy_uid, s.name as strategy_name, a.name as account_name, i.kind, i.decision_time_ms,
       (select d.evidence from risk.decisions d where d.strategy_uid = i.strategy_uid and d.run = i.run and d.decision_time_ms = i.decision_time_ms
        limit 1) as evidence,
       floor(extract(epoch from i.created_at) * 1000)::bigint as judged_ms, i.body, i.verdict, i.judged_with
     from risk.intents i join risk.strategies s on s.uid = i.strategy_uid join risk.accounts a on a.account_uid = s.account_uid
     where s.policy_uid = $2 and (i.intent_id = $1 or i.intent_id = (select intent_id from risk.orders where client_order_id = $1))`,
    [id, policyUid],
  );
  if (!row) return undefined;
  const { chain, sizing, ...judgedWith } = row.judged_with;
  const [market, side] = [textOf(row.body["market"]), textOf(row.body["side"])];
  return {
    intentId: row.intent_id,
    strategy: row.strategy_name,
    strategyUid: row.strategy_uid,
    account: row.account_name,
    kind: row.kind,
    decisionTime: Number(row.decision_time_ms),
    judgedAt: Number(row.judged_ms),
    ...(market !== undefined && { market }),
    ...((side === "buy" || side === "sell") && { side }),
    asked: flat(row.body),
    judgedWith: flat(judgedWith),
    // Intents of an older version have none.
    sizing: z.array(sizingStep).safeParse(sizing).data ?? [],
    chain: z.array(verdictStep).safeParse(chain).data ?? [],
    verdict: wireVerdict.parse(row.verdict),
    ...(row.evidence !== null && { evidence: z.array(decisionEvidence).parse(row.evidence) }),
    orders: await readIntentOrders(reader, row),
  };
}

interface IntentOrderRow extends OrderRow {
  reserved_quote: string;
  reserved_base: string;
  released_ms: string | null;
  cancel_requested: "entry" | "all" | null;
}

async function readIntentOrders(
  reader: Transaction,
  { intent_id: intentId, account_name: account }: IntentRow,
): Promise<IntentReply["orders"]> {
  const rows = await reader.query<IntentOrderRow>(
    `select ${orderColumns}, o.reserved_quote, o.reserved_base, o.cancel_requested,
       floor(extract(epoch from o.released_at) * 1000)::bigint as released_ms
     from ${orderTables} where o.intent_id = $1 order by o.attempt limit 50`,
    [intentId],
  );
  return Promise.all(
    rows.map(async (row) => ({
      order: brokerOrderOf(row),
      createdAt: Number(row.created_ms),
      approvals: await readApprovals(reader, row.client_order_id),
      reservedQuote: formatDecimal(parseDecimal(row.reserved_quote)),
      reservedBase: formatDecimal(parseDecimal(row.reserved_base)),
      ...(row.released_ms !== null && { releasedAt: Number(row.released_ms) }),
      ...(row.cancel_requested !== null && { cancelRequested: row.cancel_requested }),
      fills: await readFills(reader, row.client_order_id, account),
    })),
  );
}

async function readApprovals(reader: Transaction, id: string): Promise<IntentReply["orders"][number]["approvals"]> {
  const rows = await reader.query<{ nonce: string; key_id: string; epoch: string; attempt: number; created_ms: string }>(
    `select nonce, key_id, epoch, attempt, floor(extract(epoch from created_at) * 1000)::bigint as created_ms
     from risk.approvals where client_order_id = $1 order by created_at limit 50`,
    [id],
  );
  return rows.map((row) => ({
    nonce: row.nonce,
    keyId: row.key_id,
    epoch: Number(row.epoch),
    attempt: row.attempt,
    createdAt: Number(row.created_ms),
  }));
}

async function readFills(reader: Transaction, clientOrderId: string, account: string): Promise<WireFill[]> {
  const rows = await reader.query<Omit<FillRow, "client_order_id" | "sequence" | "strategy_uid">>(
    `select trade_id, market, side, quantity, price, fee, fee_asset, time_ms, leg from broker.fills
     where client_order_id = $1 order by sequence limit 500`,
    [clientOrderId],
  );
  const plain = (text: string): string => formatDecimal(parseDecimal(text));
  return rows.map((row) => ({
    account,
    tradeId: row.trade_id,
    clientOrderId,
    market: row.market,
    side: row.side,
    quantity: plain(row.quantity),
    price: plain(row.price),
    fee: plain(row.fee),
    feeAsset: row.fee_asset,
    time: Number(row.time_ms),
    leg: row.leg,
  }));
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

const maxFields = 100;

/** `{size: {quantity: "1"}}` → `{"size.quantity": "1"}`: every leaf as text. */
function flat(value: Record<string, unknown>): Record<string, string> {
  const leaves = (path: string, node: unknown): [string, string][] => {
    if (node === null || node === undefined) return [];
    if (typeof node !== "object") return [[path.slice(0, 60), JSON.stringify(node).replace(/^"|"$/g, "").slice(0, 200)]];
    return Object.entries(node).flatMap(([name, child]) => leaves(path === "" ? name : `${path}.${name}`, child));
  };
  return Object.fromEntries(leaves("", value).slice(0, maxFields));
}
