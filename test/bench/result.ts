/** One figure of a benchmark. Ratios come from the same run as what they compare. */
export interface BenchRow {
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure should be, as a bound with its direction: "≥ 260", "≤ 15". */
  readonly goal?: string;
  /** The other program's figure in the same run. */
  readonly baseline?: number;
  /** value / baseline. */
  readonly ratio?: number;
}

export interface BenchResult {
  readonly name: string;
  readonly rows: readonly BenchRow[];
  /** Why the benchmark, or a part of it, did not run. */
  readonly skipped?: string;
}

/** Whether a figure meets its goal; true when it has none. */
export function meetsGoal({ value, goal }: BenchRow): boolean {
  if (goal === undefined) return true;
  const bound = Number(goal.replaceAll(/[^\d.]/g, ""));
  return goal.startsWith("≥") ? value >= bound : value <= bound;
}
