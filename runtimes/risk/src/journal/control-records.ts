import type { Transaction } from "@bellwether/postgres";
import {
  type BreakerState,
  type BreakerType,
  type ControlEvent,
  type Decimal,
  formatDecimal,
  parseDecimal,
} from "@bellwether/trading";
import type { StoredReferences } from "../breakers/policy-monitor.ts";
import type { JournalHalt } from "../policy/trading-state.ts";

export async function readBreakers(reader: Transaction, policyUid: string): Promise<Map<BreakerType, BreakerState>> {
  const rows = await reader.query<{ type: BreakerType; state: BreakerState }>(
    "select type, state from risk.breakers where policy_uid = $1",
    [policyUid],
  );
  return new Map(
    rows.map(({ type, state }) => [type, { ...state, untilMs: state.untilMs ?? undefined, value: state.value ?? undefined }]),
  );
}

export async function storeBreaker(
  transaction: Transaction,
  policyUid: string,
  { type, state }: { type: BreakerType; state: BreakerState },
): Promise<void> {
  await transaction.query(
    `insert into risk.breakers (policy_uid, type, state) values ($1, $2, $3)
     on conflict (policy_uid, type) do update set state = excluded.state, updated_at = now()`,
    [policyUid, type, JSON.stringify(state)],
  );
}

export async function readReferences(reader: Transaction, policyUid: string): Promise<StoredReferences | undefined> {
  const [row] = await reader.query<{ peak_profit: string; day: string; day_profit: string; last_profit: string }>(
    "select peak_profit, day, day_profit, last_profit from risk.equity_references where policy_uid = $1",
    [policyUid],
  );
  return (
    row && {
      peakProfit: parseDecimal(row.peak_profit),
      day: Number(row.day),
      dayProfit: parseDecimal(row.day_profit),
      lastProfit: parseDecimal(row.last_profit),
    }
  );
}

export async function storeReferences(transaction: Transaction, policyUid: string, references: StoredReferences): Promise<void> {
  const { peakProfit, day, dayProfit, lastProfit } = references;
  await transaction.query(
    `insert into risk.equity_references (policy_uid, peak_profit, day, day_profit, last_profit) values ($1, $2, $3, $4, $5)
     on conflict (policy_uid) do update set peak_profit = excluded.peak_profit, day = excluded.day, day_profit = excluded.day_profit,
       last_profit = excluded.last_profit, updated_at = now()`,
    [policyUid, formatDecimal(peakProfit), day, formatDecimal(dayProfit), formatDecimal(lastProfit)],
  );
}

const shownEvents = 50;

/** The newest, oldest first. */
export async function readControlEvents(reader: Transaction, policyUid: string): Promise<ControlEvent[]> {
  const rows = await reader.query<{
    id: string;
    at_ms: string;
    what: ControlEvent["what"];
    who: string;
    why: string;
    detail: string;
  }>(
    `select id, floor(extract(epoch from at) * 1000)::bigint as at_ms, what, who, why, detail from risk.control_events
     where policy_uid = $1 order by at desc limit ${shownEvents}`,
    [policyUid],
  );
  return rows
    .map(({ id, at_ms: atMs, what, who, why, detail }) => ({ id, time: Number(atMs), what, who, why, detail }))
    .toReversed();
}

/** False when an event of this id is there already: what it speaks of has been done. */
export async function storeControlEvent(transaction: Transaction, policyUid: string, event: ControlEvent): Promise<boolean> {
  const rows = await transaction.query(
    `insert into risk.control_events (id, policy_uid, what, who, why, detail) values ($1, $2, $3, $4, $5, $6)
     on conflict (id) do nothing returning id`,
    [event.id, policyUid, event.what, event.who, event.why, event.detail],
  );
  return rows.length === 1;
}

export async function readHalt(reader: Transaction, policyUid: string): Promise<JournalHalt | undefined> {
  const [row] = await reader.query<{ reason: string; set_by: string; state: "Halted" | "Reducing" }>(
    "select reason, set_by, state from risk.halts where policy_uid = $1 and cleared_at is null",
    [policyUid],
  );
  return row && { reason: row.reason, setBy: row.set_by, state: row.state };
}

/** Puts a stop into the journal; one that stands is made stricter, never milder, and then takes the new reason. */
export async function storeHalt(transaction: Transaction, policyUid: string, halt: JournalHalt): Promise<void> {
  await transaction.query(
    "update risk.halts set reason = $2, set_by = $3, state = $4 where policy_uid = $1 and cleared_at is null and state = 'Reducing' and $4 = 'Halted'",
    [policyUid, halt.reason, halt.setBy, halt.state],
  );
  await transaction.query(
    "insert into risk.halts (policy_uid, reason, set_by, state) values ($1, $2, $3, $4) on conflict (policy_uid) where cleared_at is null do nothing",
    [policyUid, halt.reason, halt.setBy, halt.state],
  );
}

export async function clearHalt(transaction: Transaction, policyUid: string, clearedBy: string): Promise<void> {
  await transaction.query(
    "update risk.halts set cleared_by = $2, cleared_at = now() where policy_uid = $1 and cleared_at is null",
    [policyUid, clearedBy],
  );
}

export interface Adjustment {
  readonly asset: string;
  /** Signed: what the venue has more than the journal. */
  readonly amount: Decimal;
}

export async function storeAdjustments(
  transaction: Transaction,
  { id, accountUid }: { id: string; accountUid: string },
  adjustments: readonly Adjustment[],
): Promise<void> {
  for (const { asset, amount } of adjustments) {
    await transaction.query("insert into risk.adjustments (id, account_uid, asset, amount) values ($1, $2, $3, $4)", [
      id,
      accountUid,
      asset,
      formatDecimal(amount),
    ]);
  }
}

export async function readAdjustments(reader: Transaction, accountUid: string): Promise<Adjustment[]> {
  const rows = await reader.query<{ asset: string; amount: string }>(
    "select asset, amount from risk.adjustments where account_uid = $1",
    [accountUid],
  );
  return rows.map(({ asset, amount }) => ({ asset, amount: parseDecimal(amount) }));
}
