import type { BacktestResult } from "@bellwether/trading/backtest";

const mostFillsShown = 20;

/** A result for a terminal: the figures, then the latest fills. */
export function resultTable(result: BacktestResult): string {
  const { fills, log: _log, ...figures } = result;
  const lines = columns(Object.entries(figures).map(([name, value]) => [name, String(value)]));
  if (fills.length === 0) return [...lines, "", "no fills"].join("\n");

  const shown = fills.slice(-mostFillsShown);
  const title = shown.length === fills.length ? `${fills.length} fills` : `the last ${shown.length} of ${fills.length} fills`;
  const rows = shown.map(({ time, market, side, quantity, price, fee }) => [
    new Date(time).toISOString(),
    market,
    side,
    quantity,
    price,
    fee,
  ]);
  return [...lines, "", title, ...columns([["TIME", "MARKET", "SIDE", "QUANTITY", "PRICE", "FEE"], ...rows])].join("\n");
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
