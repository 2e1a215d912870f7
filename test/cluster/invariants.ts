import { get, query } from "./kubectl.ts";

/**
 * What must hold of the journal whatever was killed (design §6), as plain SQL over both schemas. Each entry lists its violations.
 * The paper venue keeps its own books: a second order for one intent would show there as a drift of balances.
 */
export async function violations(policy: string): Promise<Record<string, unknown[]>> {
  return {
    "an intent with more than one order that could have reached the venue": await query(
      "SELECT intent_id, count(*) FROM broker.orders WHERE state <> 'NotSent' GROUP BY intent_id HAVING count(*) > 1",
    ),
    "an order filled beyond its quantity": await query(
      `SELECT o.client_order_id FROM broker.orders o JOIN broker.fills f USING (client_order_id) WHERE f.leg = 'entry'
       GROUP BY o.client_order_id, o.body HAVING sum(f.quantity) > substring(o.body from 'quantity=([0-9.]+)')::numeric`,
    ),
    "a bar decided twice": await query(
      "SELECT strategy_uid, run, decision_time_ms FROM risk.decisions GROUP BY strategy_uid, run, decision_time_ms HAVING count(*) > 1",
    ),
    "an order at the broker that risk has not judged": await query(
      "SELECT o.client_order_id FROM broker.orders o LEFT JOIN risk.orders r USING (client_order_id) WHERE r.client_order_id IS NULL",
    ),
    "a balance on which journal and venue differ": await drift(policy),
  };
}

async function drift(policy: string): Promise<unknown[]> {
  const accounts = ((await get("riskpolicy", policy))?.status?.accounts ?? []) as { drift?: unknown[] }[];
  return accounts.flatMap((account) => account.drift ?? []);
}
