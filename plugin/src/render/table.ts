import { type Style, type Tone, oneLine, paint } from "./style.ts";

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Narrowed first when the table is wider than the terminal, down to `least` characters. Others are never cut. */
  readonly least?: number;
}

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly (Cell | string)[])[];
}

const gap = 2;

/**
 * A table as lines no wider than the terminal where that can be had: columns with `least` are cut with an ellipsis, the widest
 * first. Columns in which no row says anything are left out.
 */
export function tableLines(table: Table, style: Style, indent = 0): string[] {
  const shown = table.columns
    .map((column, index) => ({ column, index }))
    .filter(({ index }) => table.rows.length === 0 || table.rows.some((row) => cellOf(row, index).text !== ""));
  const widths = fit(
    shown.map(({ column, index }) => ({
      column,
      width: Math.max(column.title.length, ...table.rows.map((row) => lengthOf(cellOf(row, index).text))),
    })),
    style.columns - indent,
  );
  const margin = " ".repeat(indent);
  const line = (cells: readonly Cell[]): string => {
    const parts = cells.map((cell, position) => {
      const { column } = shown[position] ?? { column: undefined };
      return pad(cell, { width: widths[position] ?? 0, align: column?.align ?? "left", style });
    });
    return `${margin}${parts.join(" ".repeat(gap))}`.trimEnd();
  };
  const head = line(shown.map(({ column }) => ({ text: column.title, tone: "dim" })));
  return [head, ...table.rows.map((row) => line(shown.map(({ index }) => cellOf(row, index))))];
}

function cellOf(row: readonly (Cell | string)[], index: number): Cell {
  const cell = row[index] ?? "";
  return typeof cell === "string" ? { text: oneLine(cell) } : { ...cell, text: oneLine(cell.text) };
}

function fit(columns: readonly { column: Column; width: number }[], available: number): number[] {
  const widths = columns.map(({ width }) => width);
  const total = (): number => widths.reduce((sum, width) => sum + width, 0) + gap * Math.max(0, widths.length - 1);
  let over = total() - available;
  while (over > 0) {
    let widest = -1;
    for (const [index, { column }] of columns.entries()) {
      const width = widths[index] ?? 0;
      if (column.least !== undefined && width > column.least && width > (widths[widest] ?? 0)) widest = index;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over -= 1;
  }
  return widths;
}

function pad(cell: Cell, { width, align, style }: { width: number; align: "left" | "right"; style: Style }): string {
  const text = cut(cell.text, width);
  const space = " ".repeat(Math.max(0, width - lengthOf(text)));
  const painted = paint(style, cell.tone ?? "plain", text);
  return align === "right" ? `${space}${painted}` : `${painted}${space}`;
}

/** Characters as a person counts them; wide East Asian ones count one, as the names here are ASCII. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}

/** At most `width` characters, the last an ellipsis where something was cut. */
export function cut(text: string, width: number): string {
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  return width < 1 ? "" : `${characters.slice(0, width - 1).join("")}…`;
}
