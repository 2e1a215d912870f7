import { condition, get, query, waitFor } from "./kubectl.ts";

/** Risk's own count of the decisions of the youngest strategy of that name: rows of decisions that led to nothing are pruned. */
export async function decisions(strategy: string): Promise<number> {
  const [row] = await query(
    `SELECT decisions AS n FROM risk.strategies WHERE name = '${strategy}' ORDER BY registered_at DESC LIMIT 1`,
  );
  return Number(row?.["n"] ?? 0);
}

/** Everything is back: the strategy runs, is allowed to trade, and has decided again. */
export async function recovered(strategy: string, after: string): Promise<void> {
  let before: number | undefined;
  await waitFor(
    async () => {
      const found = await get("strategy", strategy);
      if (found?.status?.phase !== "Running" || condition(found, "TradingAllowed")?.status !== "True") return false;
      const now = await decisions(strategy);
      before ??= now;
      return now > before;
    },
    { timeoutMs: 180_000, what: `${strategy} deciding again after ${after}` },
  );
}
