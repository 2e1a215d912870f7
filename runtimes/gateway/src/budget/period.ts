/** A calendar month in UTC, which is what a budget runs for. */
export interface BudgetPeriod {
  /** Such as `2026-11`: the key of its ledger. */
  readonly name: string;
  readonly startMs: number;
  /** The first instant of the next month: when an exhausted budget ends being so. */
  readonly endMs: number;
}

/** The month that an instant (epoch milliseconds) lies in. */
export function periodOf(nowMs: number): BudgetPeriod {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const startMs = Date.UTC(year, month, 1);
  return { name: new Date(startMs).toISOString().slice(0, 7), startMs, endMs: Date.UTC(year, month + 1, 1) };
}
