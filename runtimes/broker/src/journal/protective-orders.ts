import type { Transaction } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import {
  type Decimal,
  type OrderState,
  ZERO,
  add,
  clientOrderId,
  orderState,
  ownerOf,
  parseCanonicalOrder,
  parseDecimal,
  subtract,
  terminalOrderStates,
} from "@bellwether/trading";
import type { ProtectiveRecord } from "../durable/send-log.ts";
import type { BrokerErrorCode } from "../errors.ts";
import type { ScopeFill } from "../orders/protected-units.ts";
import type { ProtectiveLeg, ProtectiveOrder, ProtectiveReport, VenueTrade } from "../venues/venue.ts";
import type { Change, Journal } from "./journal.ts";
import { type OrderRow, type StoredOrder, orderColumns, storedOrder } from "./stored-order.ts";

/** Protective legs of one strategy in one market share what it holds there. */
export interface ProtectionScope {
  readonly owner: string;
  readonly market: string;
}

/** A protective order as it was written down before it was sent, and what is known of it since. */
export interface StoredProtection extends ProtectiveOrder {
  readonly number: number;
  readonly states: readonly { readonly leg: ProtectiveLeg; readonly state: OrderState; readonly filledQuantity: Decimal }[];
}

/** What is planned from. */
export interface ProtectionRecords {
  /** Orders whose legs rest or are owed, oldest first. */
  readonly orders: readonly StoredOrder[];
  /** Those that have not ended. */
  readonly open: readonly StoredProtection[];
  readonly openSells: Decimal;
  readonly holdingBefore: Decimal;
  readonly fills: readonly ScopeFill[];
}

interface LegRow {
  readonly venue_client_id: string;
  readonly client_order_id: string;
  readonly leg: ProtectiveLeg;
  readonly number: number;
  readonly quantity: string;
  readonly trigger_price: string;
  readonly state: string;
  readonly filled_quantity: string;
  readonly about_to_send_at_ms: string;
  readonly at_market: boolean;
  readonly body: string;
}

const legColumns = `p.venue_client_id, p.client_order_id, p.leg, p.number, trim_scale(p.quantity)::text as quantity,
  trim_scale(p.trigger_price)::text as trigger_price, p.state, trim_scale(p.filled_quantity)::text as filled_quantity, p.about_to_send_at_ms, p.at_market, o.body`;
const openStates = "('AboutToSend', 'Unknown', 'Working')";
/** Most executions that one plan is folded from; a strategy that trades more while a leg rests is told so. */
const mostFills = 20_000;

/** Units that executions `f` have left, as text; `base` names the parameter with the base asset, from which fees may be taken. */
const heldUnits = (base: string): string =>
  `coalesce(sum(case when f.side = 'buy' then f.quantity else -f.quantity end - case when f.fee_asset = ${base} then f.fee else 0 end), 0)::text`;

/** Ids of the legs of an order's n-th protective order: whoever plans it again after a crash arrives at the same ones. */
export function protectiveId(order: string, leg: ProtectiveLeg, number: number): string {
  return clientOrderId(`${order}/${leg}`, number);
}

export function scopeOf({ order }: Pick<StoredOrder, "order">): ProtectionScope {
  return { owner: ownerOf(order.intentId), market: order.market };
}

/** The protective orders of one account in Postgres. Every write holds the writer epoch. */
export class ProtectiveOrders {
  readonly #journal: Journal;
  readonly #accountUid: string;
  /** What a scope held before a sequence never changes any more. */
  readonly #heldBefore = new Map<string, { readonly sequence: string; readonly holding: Decimal }>();

  constructor(journal: Journal, accountUid: string) {
    this.#journal = journal;
    this.#accountUid = accountUid;
  }

  /** Everything a scope's legs are planned from. */
  async records(scope: ProtectionScope): Promise<ProtectionRecords> {
    const rows = await this.#journal.reader.query<OrderRow>(
      `select ${orderColumns} from broker.orders
       where account_uid = $1 and split_part(intent_id, '/', 1) = $2 and (state in ${openStates} or protective_legs <> '{}')
       order by about_to_send_at_ms, client_order_id`,
      [this.#accountUid, scope.owner],
    );
    const mine = rows.map(storedOrder).filter(({ order }) => order.market === scope.market);
    const orders = mine.filter(({ protectiveLegs }) => protectiveLegs.length > 0);
    const sells = mine.filter(({ order, state }) => order.side === "sell" && !terminalOrderStates.has(state));
    const ids = orders.map(({ order }) => order.clientOrderId);
    return {
      orders,
      open: await this.#open(ids),
      openSells: sells.reduce((sum, sell) => add(sum, restOf(sell)), ZERO),
      ...(await this.#fills(scope, ids)),
    };
  }

  /** Last number given out to an order's protective orders; 0 when there has been none. */
  async lastNumber(order: string): Promise<number> {
    const [row] = await this.#journal.reader.query<{ number: number }>(
      "select coalesce(max(number), 0)::int as number from broker.protective_orders where account_uid = $1 and client_order_id = $2",
      [this.#accountUid, order],
    );
    return row?.number ?? 0;
  }

  /** What a strategy holds in a market by all its executions; undefined when no leg of it has ever filled there. */
  async holdingAfterLegs({ owner, market }: ProtectionScope): Promise<Decimal | undefined> {
    const [base = ""] = market.split("/");
    const [row] = await this.#journal.reader.query<{ holding: string; legs: string }>(
      `select ${heldUnits("$4")} as holding, count(*) filter (where f.leg <> 'entry') as legs
       from broker.fills f join broker.orders o on o.client_order_id = f.client_order_id
       where f.account_uid = $1 and f.market = $2 and split_part(o.intent_id, '/', 1) = $3`,
      [this.#accountUid, market, owner, base],
    );
    return row && Number(row.legs) > 0 ? parseDecimal(row.holding) : undefined;
  }

  /** Scopes in which orders or legs of these ids are. */
  async scopesOf(ids: readonly string[]): Promise<readonly ProtectionScope[]> {
    const rows = await this.#journal.reader.query<OrderRow>(
      `select ${orderColumns} from broker.orders where account_uid = $1 and protective_legs <> '{}' and (client_order_id = any($2)
         or client_order_id in (select p.client_order_id from broker.protective_orders p where p.account_uid = $1 and p.venue_client_id = any($2)))`,
      [this.#accountUid, ids],
    );
    return distinctScopes(rows.map(storedOrder));
  }

  /** Entries that still wait although a leg of theirs has sold. */
  async firedEntries(): Promise<readonly string[]> {
    const rows = await this.#journal.reader.query<{ client_order_id: string }>(
      `select o.client_order_id from broker.orders o
       where o.account_uid = $1 and o.state = 'Working' and o.cancel_requested is null
         and exists (select 1 from broker.fills f where f.client_order_id = o.client_order_id and f.leg <> 'entry')`,
      [this.#accountUid],
    );
    return rows.map((row) => row.client_order_id);
  }

  /** Which of these ids of the venue are our own legs. */
  async known(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#journal.reader.query<{ venue_client_id: string }>(
      "select venue_client_id from broker.protective_orders where account_uid = $1 and venue_client_id = any($2)",
      [this.#accountUid, ids],
    );
    return new Set(rows.map((row) => row.venue_client_id));
  }

  /** @returns false when it is there already: then nothing may be sent */
  aboutToSend(order: ProtectiveOrder, number: number): Promise<boolean> {
    return this.#journal.write((transaction) => this.#insert(transaction, { order, number, state: "AboutToSend" }));
  }

  /** Brings in what the send log knows and Postgres does not, so that it is asked about. The order it protects has to be known. */
  async importSent(record: ProtectiveRecord): Promise<void> {
    const { number, clientOrderId: id, market, quantity, atMarket, aboutToSendAtMs, legs } = record;
    const order = { clientOrderId: id, market, quantity, atMarket, aboutToSendAtMs, legs };
    await this.#journal.recordLegs(id, {
      protectiveLegs: legs.map(({ leg }) => leg),
      also: async (transaction) => void (await this.#insert(transaction, { order, number, state: "Unknown" })),
    });
  }

  /** Every leg to one state: the answer to the one request that was sent. An ended leg stays as it is. */
  async mark(order: StoredProtection | ProtectiveOrder, state: OrderState, reason?: string): Promise<void> {
    await this.#journal.write((transaction) =>
      transaction.query(
        `update broker.protective_orders set state = $3, reason = coalesce($4, reason), updated_at = clock_timestamp()
         where account_uid = $1 and venue_client_id = any($2) and state in ${openStates}`,
        [this.#accountUid, order.legs.map(({ id }) => id), state, reason?.slice(0, 500) ?? null],
      ),
    );
  }

  /** What the venue says of a protective order, together with the executions it rests on, in one transaction. */
  async recordReports(
    order: ProtectiveOrder,
    reports: readonly ProtectiveReport[],
    trades: readonly VenueTrade[],
  ): Promise<Change> {
    return this.#journal.recordLegs(order.clientOrderId, {
      trades,
      also: async (transaction) => {
        for (const { id, leg } of order.legs) {
          const report = reports.find((one) => one.leg === leg);
          if (!report) continue;
          await transaction.query(
            `update broker.protective_orders set state = $3, filled_quantity = $4, venue_order_id = $5, reason = coalesce($6, reason), updated_at = clock_timestamp()
             where account_uid = $1 and venue_client_id = $2`,
            [
              this.#accountUid,
              id,
              report.state,
              report.filledQuantity,
              report.venueOrderId ?? null,
              report.reason?.slice(0, 500) ?? null,
            ],
          );
        }
      },
    });
  }

  /** Protective orders of which a leg has not ended, oldest first; both legs of each. */
  async #open(orders: readonly string[]): Promise<readonly StoredProtection[]> {
    if (orders.length === 0) return [];
    const rows = await this.#journal.reader.query<LegRow>(
      `select ${legColumns} from broker.protective_orders p join broker.orders o on o.client_order_id = p.client_order_id
       where p.account_uid = $1 and p.client_order_id = any($2) and exists (
         select 1 from broker.protective_orders q where q.client_order_id = p.client_order_id and q.number = p.number and q.state in ${openStates})
       order by p.about_to_send_at_ms, p.client_order_id, p.number, p.leg`,
      [this.#accountUid, orders],
    );
    return grouped(rows);
  }

  async #insert(
    transaction: Transaction,
    { order, number, state }: { order: ProtectiveOrder; number: number; state: OrderState },
  ): Promise<boolean> {
    const there = await transaction.query(
      "select 1 from broker.protective_orders where account_uid = $1 and client_order_id = $2 and number = $3",
      [this.#accountUid, order.clientOrderId, number],
    );
    if (there.length > 0) return false;
    for (const { leg, id, price } of order.legs)
      await transaction.query(
        `insert into broker.protective_orders (venue_client_id, account_uid, client_order_id, leg, number, quantity, trigger_price, state, about_to_send_at_ms, at_market)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [
          id,
          this.#accountUid,
          order.clientOrderId,
          leg,
          number,
          order.quantity,
          price,
          state,
          order.aboutToSendAtMs,
          order.atMarket,
        ],
      );
    return true;
  }

  /** The executions since the oldest protected order's first, and what was held before. */
  async #fills(
    { owner, market }: ProtectionScope,
    ids: readonly string[],
  ): Promise<Pick<ProtectionRecords, "holdingBefore" | "fills">> {
    const [first] = await this.#journal.reader.query<{ sequence: string | null }>(
      "select min(sequence) as sequence from broker.fills where account_uid = $1 and client_order_id = any($2)",
      [this.#accountUid, ids],
    );
    const sequence = first?.sequence ?? undefined;
    if (sequence === undefined || sequence === null) return { holdingBefore: ZERO, fills: [] };
    const rows = await this.#journal.reader.query<FillRow>(
      `select f.client_order_id, f.side, f.leg, f.quantity::text as quantity, f.fee::text as fee, f.fee_asset
       from broker.fills f join broker.orders o on o.client_order_id = f.client_order_id
       where f.account_uid = $1 and f.sequence >= $2 and f.market = $3 and split_part(o.intent_id, '/', 1) = $4
       order by f.sequence limit ${mostFills}`,
      [this.#accountUid, sequence, market, owner],
    );
    if (rows.length >= mostFills) {
      const message = `more than ${mostFills} executions of a strategy since its oldest protected order: what is left to protect is not reckoned any more`;
      throw new CodedError<BrokerErrorCode>("VENUE_INCONSISTENT", message, { context: { owner, market } });
    }
    const [base = ""] = market.split("/");
    return {
      holdingBefore: await this.#holdingBefore({ owner, market }, sequence),
      fills: rows.map((row) => scopeFill(row, base)),
    };
  }

  async #holdingBefore({ owner, market }: ProtectionScope, sequence: string): Promise<Decimal> {
    const key = `${owner} ${market}`;
    const known = this.#heldBefore.get(key);
    if (known?.sequence === sequence) return known.holding;
    const [base = ""] = market.split("/");
    const [row] = await this.#journal.reader.query<{ holding: string }>(
      `select ${heldUnits("$5")} as holding
       from broker.fills f join broker.orders o on o.client_order_id = f.client_order_id
       where f.account_uid = $1 and f.sequence < $2 and f.market = $3 and split_part(o.intent_id, '/', 1) = $4`,
      [this.#accountUid, sequence, market, owner, base],
    );
    const holding = parseDecimal(row?.holding ?? "0");
    // One entry a scope; a broker has at most some hundred.
    this.#heldBefore.set(key, { sequence, holding });
    return holding;
  }
}

interface FillRow {
  readonly client_order_id: string;
  readonly side: "buy" | "sell";
  readonly leg: ScopeFill["leg"];
  readonly quantity: string;
  readonly fee: string;
  readonly fee_asset: string;
}

function scopeFill(row: FillRow, base: string): ScopeFill {
  return {
    clientOrderId: row.client_order_id,
    side: row.side,
    leg: row.leg,
    quantity: parseDecimal(row.quantity),
    baseFee: row.fee_asset === base ? parseDecimal(row.fee) : ZERO,
  };
}

export function distinctScopes(orders: readonly Pick<StoredOrder, "order">[]): readonly ProtectionScope[] {
  const scopes = new Map(orders.map((order) => [`${ownerOf(order.order.intentId)} ${order.order.market}`, scopeOf(order)]));
  return [...scopes.values()];
}

function restOf({ order, filledQuantity }: StoredOrder): Decimal {
  return subtract(parseDecimal(order.quantity), parseDecimal(filledQuantity));
}

/** Rows of legs to the requests they were sent as, the stop first. */
function grouped(rows: readonly LegRow[]): readonly StoredProtection[] {
  const groups = new Map<string, LegRow[]>();
  for (const row of rows) {
    const key = `${row.client_order_id} ${row.number}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].flatMap((legs) => {
    const [first] = legs;
    if (!first) return [];
    const sorted = legs.toSorted((a, b) => (a.leg < b.leg ? -1 : 1));
    return {
      clientOrderId: first.client_order_id,
      market: parseCanonicalOrder(first.body).market,
      number: first.number,
      quantity: first.quantity,
      atMarket: first.at_market,
      aboutToSendAtMs: Number(first.about_to_send_at_ms),
      legs: sorted.map((row) => ({ leg: row.leg, id: row.venue_client_id, price: row.trigger_price })),
      states: sorted.map((row) => ({
        leg: row.leg,
        state: orderState.parse(row.state),
        filledQuantity: parseDecimal(row.filled_quantity),
      })),
    };
  });
}
