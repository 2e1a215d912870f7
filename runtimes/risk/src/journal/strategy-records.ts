import type { Transaction } from "@bellwether/postgres";
import type { StrategyRegistration } from "@bellwether/trading";
import { type Strategy, marketSetOf } from "../strategies/strategy.ts";

interface StrategyRow {
  uid: string;
  account_uid: string;
  namespace: string;
  name: string;
  subject: string;
  mode: "Paper" | "Live";
  markets: { symbol: string; timeframe: string }[];
  market_set: string;
  share_ratio: string;
  suspended: boolean;
  run: number;
  state: string;
  last_decision_ms: string | null;
  decisions: string;
  admitted: boolean;
  deletion: "Keep" | "Flatten" | null;
  settled: boolean;
}

const strategyColumns = `uid, account_uid, namespace, name, subject, mode, markets, market_set, share_ratio, suspended, run, state, last_decision_ms, decisions,
  admitted_at is not null as admitted, deletion, settled_at is not null as settled`;

/** Strategies of a policy that are not settled. */
export async function readStrategies(reader: Transaction, policyUid: string): Promise<Strategy[]> {
  const rows = await reader.query<StrategyRow>(
    `select ${strategyColumns} from risk.strategies where policy_uid = $1 and settled_at is null order by registered_at, uid`,
    [policyUid],
  );
  return rows.map(strategyOf);
}

/** One strategy, settled or not, locked until the transaction ends when `lock` is set. */
export async function readStrategy(reader: Transaction, uid: string, lock = false): Promise<Strategy | undefined> {
  const [row] = await reader.query<StrategyRow>(
    `select ${strategyColumns} from risk.strategies where uid = $1${lock ? " for update" : ""}`,
    [uid],
  );
  return row && strategyOf(row);
}

function strategyOf(row: StrategyRow): Strategy {
  return {
    uid: row.uid,
    accountUid: row.account_uid,
    namespace: row.namespace,
    name: row.name,
    subject: row.subject,
    mode: row.mode,
    markets: row.markets.map(({ symbol, timeframe }) => ({ market: symbol, timeframe })),
    marketSet: row.market_set,
    shareRatio: row.share_ratio,
    suspended: row.suspended,
    run: row.run,
    state: row.state,
    lastDecisionTime: row.last_decision_ms === null ? undefined : Number(row.last_decision_ms),
    decisions: Number(row.decisions),
    admitted: row.admitted,
    deletion: row.deletion ?? undefined,
    settled: row.settled,
  };
}

/**
 * Makes a strategy known or takes over what may change of it: subject, markets, suspension, and the share until it has been given. Another market set begins a new run, with a
 * cursor of its own; what is being deleted stays so.
 */
export async function upsertStrategy(
  transaction: Transaction,
  { policyUid, accountUid }: { policyUid: string; accountUid: string },
  registration: StrategyRegistration,
): Promise<void> {
  const { uid, namespace, name, subject, mode, markets, shareRatio, suspended } = registration;
  const marketSet = marketSetOf(markets.map(({ symbol, timeframe }) => ({ market: symbol, timeframe })));
  await transaction.query(
    `insert into risk.strategies as s (uid, policy_uid, account_uid, namespace, name, subject, mode, markets, market_set, share_ratio, suspended)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (uid) do update set
       account_uid = excluded.account_uid, namespace = excluded.namespace, name = excluded.name, subject = excluded.subject, mode = excluded.mode,
       markets = excluded.markets, suspended = excluded.suspended,
       share_ratio = case when s.admitted_at is null then excluded.share_ratio else s.share_ratio end,
       run = case when s.market_set = excluded.market_set then s.run else s.run + 1 end, market_set = excluded.market_set`,
    [uid, policyUid, accountUid, namespace, name, subject, mode, JSON.stringify(markets), marketSet, shareRatio, suspended],
  );
}
