import type { ClientBase } from "pg";
import { type Catalogue, readCatalogue, tableName } from "../source-postgres/catalogue.ts";
import { databaseError } from "../source-postgres/errors.ts";
import { readHighWaterMarks } from "../source-postgres/position.ts";

/** What must be true of a journal at any moment, whoever writes: a row of the answer is what contradicts it. */
interface Invariant {
  readonly name: string;
  readonly needs: readonly string[];
  readonly sql: string;
}

const terminal = "('Filled', 'Cancelled', 'Expired', 'Rejected', 'NotSent')";

export const invariants: readonly Invariant[] = [
  {
    name: "an ended order has filled what its fills add up to",
    needs: ["broker.orders", "broker.fills"],
    sql: /* sql */ `select o.client_order_id || ': ' || trim_scale(o.filled_quantity) || ' filled, fills of ' || trim_scale(coalesce(f.quantity, 0)) as finding
      from broker.orders o
      left join (select client_order_id, sum(quantity) as quantity from broker.fills where leg = 'entry' group by client_order_id) f using (client_order_id)
      where o.state in ${terminal} and o.filled_quantity <> coalesce(f.quantity, 0)`,
  },
  {
    name: "a fill is of its order's account",
    needs: ["broker.orders", "broker.fills"],
    sql: /* sql */ `select f.trade_id || ' of ' || f.account_uid as finding from broker.fills f join broker.orders o using (client_order_id) where f.account_uid <> o.account_uid`,
  },
  {
    name: "a reservation ends by a terminal row of the broker only",
    needs: ["risk.orders", "broker.orders"],
    sql: /* sql */ `select r.client_order_id || ': released, at the broker ' || coalesce(b.state, 'unknown') as finding
      from risk.orders r left join broker.orders b using (client_order_id)
      where r.released_at is not null and (b.state is null or b.state not in ${terminal})`,
  },
  {
    name: "no decision lies behind its cursor",
    needs: ["risk.decisions", "risk.cursors"],
    sql: /* sql */ `select d.strategy_uid || ' decided ' || max(d.decision_time_ms) || ', cursor at ' || coalesce(max(c.decision_time_ms)::text, 'none') as finding
      from risk.decisions d left join risk.cursors c using (strategy_uid, run, market_set)
      group by d.strategy_uid, d.run, d.market_set having max(d.decision_time_ms) > coalesce(max(c.decision_time_ms), 0)`,
  },
  {
    name: "no order is of a later epoch than its policy's writer",
    needs: ["risk.orders", "risk.accounts", "risk.writer_epochs"],
    sql: /* sql */ `select o.client_order_id || ': epoch ' || o.epoch || ', writer at ' || coalesce(w.epoch::text, 'none') as finding
      from risk.orders o join risk.accounts a using (account_uid) left join risk.writer_epochs w on w.scope = a.policy_uid
      where o.epoch > coalesce(w.epoch, 0)`,
  },
];

/** No report grows without bound: after so many of a kind the rest is left unsaid. */
const mostFindings = 5;

/**
 * Holds a journal against its own invariants. Only reads; may run on the live database, where it is the check for corruption: every row that an invariant
 * needs is read, and Postgres checks the sums of its pages.
 *
 * @returns what contradicts, in words; empty: nothing
 */
export async function findContradictions(client: ClientBase): Promise<string[]> {
  const catalogue = await readCatalogue(client);
  const present = new Set(catalogue.tables.map(tableName));
  const findings: string[] = [];
  for (const { name, needs, sql } of invariants) {
    if (!needs.every((table) => present.has(table))) continue;
    const { rows } = await client.query<{ finding: string }>(`select finding from (${sql}) as found limit ${mostFindings}`);
    findings.push(...rows.map(({ finding }) => `${name}: ${finding}`));
  }
  return [...findings, ...(await findSequencesBehind(client, catalogue))];
}

/** A number that is drawn twice would be refused by a key, or worse, taken for what came before. */
async function findSequencesBehind(client: ClientBase, catalogue: Catalogue): Promise<string[]> {
  const marks = await readHighWaterMarks(client, catalogue);
  return catalogue.sequences.flatMap(({ name, lastValue, table, column }) => {
    const mark = marks[`${table}.${column}`] ?? "0";
    return BigInt(mark) > BigInt(lastValue ?? "0")
      ? [`sequence ${name} stands at ${lastValue ?? "nothing"}, ${table}.${column} at ${mark}`]
      : [];
  });
}

export interface Expected {
  /** As it was captured; migrations that were shipped afterwards may have added to it. */
  readonly catalogue: Catalogue;
  readonly highWaterMarks: Readonly<Record<string, string>>;
  /** A migration was replayed: constraints may have changed since the capture. */
  readonly migrated: boolean;
}

/**
 * Holds a restored database against what was captured and against itself.
 *
 * @throws CodedError JOURNAL_INVALID with everything that is wrong
 */
export async function validateRestored(client: ClientBase, expected: Expected): Promise<void> {
  const restored = await readCatalogue(client);
  const findings = expected.migrated ? [] : missingLines(expected.catalogue, restored);
  const marks = await readHighWaterMarks(client, restored);
  for (const [name, mark] of Object.entries(expected.highWaterMarks)) {
    if (BigInt(marks[name] ?? "-1") < BigInt(mark))
      findings.push(`${name} reaches ${marks[name] ?? "nothing"} instead of ${mark}`);
  }
  findings.push(...(await findUnchecked(client)), ...(await findContradictions(client)));
  if (findings.length === 0) return;
  throw databaseError("JOURNAL_INVALID", findings.join("; "), { context: { findings } });
}

function missingLines(captured: Catalogue, restored: Catalogue): string[] {
  const present = new Set(restored.lines);
  return captured.lines.filter((line) => !present.has(line)).map((line) => `missing: ${line}`);
}

async function findUnchecked(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select conrelid::regclass || ' ' || conname as name from pg_constraint where not convalidated
     union all select indexrelid::regclass::text from pg_index where not indisvalid`,
  );
  return rows.map(({ name }) => `not checked: ${name}`);
}
