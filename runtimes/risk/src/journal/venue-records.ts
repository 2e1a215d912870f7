import type { Transaction } from "@bellwether/postgres";
import { ZERO, orderState, parseDecimal, rulesFromSymbol } from "@bellwether/trading";
import { type BookFill, type VenueOrderRow, unassigned } from "../portfolio/book.ts";

/** How far an account has been read in the broker's tables. */
export interface VenueCursor {
  readonly revision: number;
  readonly sequence: number;
}

export const venueStart: VenueCursor = { revision: 0, sequence: 0 };

export interface VenueChanges {
  readonly orders: readonly VenueOrderRow[];
  readonly fills: readonly BookFill[];
  readonly cursor: VenueCursor;
  /** Rows were left for the next read. */
  readonly more: boolean;
}

const pageRows = 2_000;

/** False until the account's broker has made its tables and let us read them. (to_regclass would throw while the schema is still closed to us.) */
export async function venueRecordsExist(transaction: Transaction): Promise<boolean> {
  const rows = await transaction.query(
    `select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'broker' and c.relname = 'fills' and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`,
  );
  return rows.length === 1;
}

/** The highest epoch of risk that the brokers of these accounts have seen; 0 for none. After a restore it may be above what the journal remembers. */
export async function readHighestEpochSeen(transaction: Transaction, accountUids: readonly string[]): Promise<number> {
  if (!(await venueRecordsExist(transaction))) return 0;
  const [row] = await transaction.query<{ epoch: string }>(
    "select coalesce(max(epoch), 0) as epoch from broker.highest_risk_epoch where account_uid = any($1)",
    [accountUids],
  );
  return Number(row?.epoch ?? 0);
}

interface OrderRow {
  client_order_id: string;
  state: string;
  venue_order_id: string | null;
  protective_legs: ("stopLoss" | "takeProfit")[];
  reason: string | null;
  revision: string;
  updated_ms: string;
}

/** A row of broker.fills, with the strategy it belongs to. */
export interface FillRow {
  client_order_id: string;
  trade_id: string;
  market: string;
  side: "buy" | "sell";
  quantity: string;
  price: string;
  fee: string;
  fee_asset: string;
  time_ms: string;
  leg: BookFill["leg"];
  sequence: string;
  strategy_uid: string | null;
}

/**
 * What the broker has recorded since `cursor`. Orders are read before fills: a fill is committed with or before the row that reports it, so that whoever
 * sees an order ended sees all of its fills, too.
 */
export async function readVenueChanges(transaction: Transaction, accountUid: string, cursor: VenueCursor): Promise<VenueChanges> {
  const orders = await transaction.query<OrderRow>(
    `select client_order_id, state, venue_order_id, protective_legs, reason, revision, floor(extract(epoch from updated_at) * 1000)::bigint as updated_ms
     from broker.orders where account_uid = $1 and revision > $2 order by revision limit ${pageRows}`,
    [accountUid, cursor.revision],
  );
  const fills = await transaction.query<FillRow>(
    `select f.client_order_id, f.trade_id, f.market, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.time_ms, f.leg, f.sequence, o.strategy_uid
     from broker.fills f left join risk.orders o using (client_order_id)
     where f.account_uid = $1 and f.sequence > $2 order by f.sequence limit ${pageRows}`,
    [accountUid, cursor.sequence],
  );
  // With a full page of fills an order's end might come before its last fills: it waits for the next read.
  const moreFills = fills.length === pageRows;
  return {
    orders: moreFills ? [] : orders.map(venueOrderRow),
    fills: fills.map(bookFill),
    cursor: {
      revision: moreFills ? cursor.revision : Number(orders.at(-1)?.revision ?? cursor.revision),
      sequence: Number(fills.at(-1)?.sequence ?? cursor.sequence),
    },
    more: moreFills || orders.length === pageRows,
  };
}

interface ChargeRow {
  charge_id: string;
  client_order_id: string | null;
  market: string | null;
  asset: string;
  amount: string;
  time_ms: string;
  sequence: string;
  strategy_uid: string | null;
}

/**
 * What an account on a chain paid without a fill since `after`: fees of transactions that failed, rent, transfers. As fills of nothing whose fee is the amount:
 * the fold takes it from the sub-account of the order it was paid for, or from what is nobody's.
 */
export async function readCharges(
  transaction: Transaction,
  accountUid: string,
  after: number,
): Promise<{ charges: readonly BookFill[]; sequence: number }> {
  const rows = await transaction.query<ChargeRow>(
    `select c.charge_id, t.operation_id as client_order_id, t.operation->>'market' as market, c.asset, c.amount, c.time_ms, c.sequence, o.strategy_uid
     from broker.charges c
     left join broker.solana_transactions t on t.account_uid = c.account_uid and t.signature = split_part(c.charge_id, '#', 1)
     left join risk.orders o on o.client_order_id = t.operation_id
     where c.account_uid = $1 and c.sequence > $2 order by c.sequence limit ${pageRows}`,
    [accountUid, after],
  );
  return { charges: rows.map(bookCharge), sequence: Number(rows.at(-1)?.sequence ?? after) };
}

/** The rows of these orders, as they stand. */
export async function readOrderStates(transaction: Transaction, ids: readonly string[]): Promise<VenueOrderRow[]> {
  const rows = await transaction.query<OrderRow>(
    `select client_order_id, state, venue_order_id, protective_legs, reason, revision, floor(extract(epoch from updated_at) * 1000)::bigint as updated_ms
     from broker.orders where client_order_id = any($1)`,
    [ids],
  );
  return rows.map(venueOrderRow);
}

function venueOrderRow(row: OrderRow): VenueOrderRow {
  return {
    clientOrderId: row.client_order_id,
    state: orderState.parse(row.state),
    venueOrderId: row.venue_order_id ?? undefined,
    protectiveLegs: row.protective_legs,
    reason: row.reason ?? undefined,
    updatedAtMs: Number(row.updated_ms),
  };
}

function bookFill(row: FillRow): BookFill {
  const assets = rulesFromSymbol(row.market);
  return {
    kind: "fill",
    clientOrderId: row.client_order_id,
    tradeId: row.trade_id,
    market: row.market,
    base: assets?.base ?? row.market,
    quote: assets?.quote ?? row.fee_asset,
    side: row.side,
    quantity: parseDecimal(row.quantity),
    price: parseDecimal(row.price),
    fee: parseDecimal(row.fee),
    feeAsset: row.fee_asset,
    time: Number(row.time_ms),
    leg: row.leg,
    subAccount: row.strategy_uid ?? unassigned,
  };
}

function bookCharge(row: ChargeRow): BookFill {
  const market = row.market ?? row.asset;
  const assets = rulesFromSymbol(market);
  return {
    kind: "fill",
    clientOrderId: row.client_order_id ?? row.charge_id,
    tradeId: row.charge_id,
    market,
    base: assets?.base ?? row.asset,
    quote: assets?.quote ?? row.asset,
    side: "buy",
    quantity: ZERO,
    price: ZERO,
    fee: parseDecimal(row.amount),
    feeAsset: row.asset,
    time: Number(row.time_ms),
    leg: "entry",
    subAccount: row.strategy_uid ?? unassigned,
  };
}
