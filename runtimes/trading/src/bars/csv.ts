import { TradingError } from "../trading-error.ts";
import { parseNumber, parseTimestamp } from "./csv-cells.ts";
import { emptySeries, sliceSeries, type BarSeries } from "./series.ts";

export const CSV_HEADER = "timestamp,open,high,low,close,volume";
/** Faults reported at once; the rest of a broken file would say the same. */
const MAX_FAULTS = 10;
/** Bars of one file: two years of one-second bars would be more, and are not what one process should hold. */
export const MAX_CSV_BARS = 20_000_000;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const COMMA = 44;

export interface CsvOptions {
  /** What to do about missing bars. Duplicates and disorder are always refused. */
  readonly gaps: "Refuse" | "Skip";
  /** Length of a bar. Default: the most frequent distance between two lines, with `gaps: Skip` the smallest. */
  readonly timeframeMs?: number | undefined;
}

interface Fault {
  readonly line: number;
  readonly message: string;
}

/**
 * Bars from CSV: the header `timestamp,open,high,low,close,volume`, then one line per bar, oldest first. Timestamps are ISO 8601
 * (a blank for the T allowed, no zone meaning UTC) or epoch milliseconds. Compressed input is unpacked by the caller.
 *
 * Throws BARS_INVALID naming up to ten faults by line number: what is not a number, a price that is not above zero, a negative
 * volume, high and low that do not hold open and close, a repeated or earlier time and, with `gaps: Refuse`, a gap.
 */
export function parseBars(bytes: Uint8Array, options: CsvOptions): BarSeries {
  const reader = new CsvReader(bytes);
  const faults: Fault[] = [];
  const header = reader.header();
  if (header !== CSV_HEADER)
    fail([{ line: 1, message: `the header is ${JSON.stringify(header.slice(0, 80))}, must be ${CSV_HEADER}` }]);
  const series = emptySeries(reader.countLines(), options.timeframeMs ?? 0);
  if (series.length > MAX_CSV_BARS) fail([{ line: MAX_CSV_BARS + 2, message: `more than ${MAX_CSV_BARS} bars` }]);
  const lines: number[] = [];
  while (faults.length < MAX_FAULTS && reader.next()) {
    const fault = readBar(reader, series, lines.length) ?? orderFault(series.time, lines.length);
    if (fault === undefined) lines.push(reader.line);
    else faults.push({ line: reader.line, message: fault });
  }
  if (faults.length > 0) fail(faults);
  if (lines.length === 0) fail([{ line: 2, message: "there is no bar" }]);
  return withTimeframe(sliceSeries(series, 0, lines.length), lines, options);
}

function fail(faults: readonly Fault[]): never {
  const message = faults.map(({ line, message }) => `line ${line}: ${message}`).join("; ");
  throw new TradingError("BARS_INVALID", message, { context: { faults } });
}

/** Reads the line's cells into row `index`; what is wrong with them, if anything. */
function readBar(reader: CsvReader, series: BarSeries, index: number): string | undefined {
  const { time, open, high, low, close, volume } = series;
  const timeMs = parseTimestamp(reader.bytes, reader.cell(0), reader.cellEnd(0));
  if (reader.cells !== 6) return `${reader.cells} columns, must be 6`;
  if (Number.isNaN(timeMs)) return `timestamp is ${reader.text(0)}: must be ISO 8601 or epoch milliseconds`;
  time[index] = timeMs;
  open[index] = reader.number(1);
  high[index] = reader.number(2);
  low[index] = reader.number(3);
  close[index] = reader.number(4);
  volume[index] = reader.number(5);
  return valueFault(reader, series, index);
}

const columnNames = CSV_HEADER.split(",");

function valueFault(reader: CsvReader, { open, high, low, close, volume }: BarSeries, index: number): string | undefined {
  const [opened = 0, highest = 0, lowest = 0, closed = 0] = [open[index], high[index], low[index], close[index]];
  const traded = volume[index] ?? 0;
  if (!(
    opened > 0 &&
    highest > 0 &&
    lowest > 0 &&
    closed > 0 &&
    traded >= 0 &&
    opened + highest + lowest + closed + traded < Infinity
  )) {
    return cellFault(reader, [opened, highest, lowest, closed, traded]);
  }
  if (highest < opened || highest < closed || highest < lowest) return `high ${highest} is below open, low or close`;
  if (lowest > opened || lowest > closed) return `low ${lowest} is above open or close`;
  return undefined;
}

function cellFault(reader: CsvReader, values: readonly number[]): string {
  const column = values.findIndex((value, at) => !(at === 4 ? value >= 0 : value > 0) || value === Infinity) + 1;
  const wanted = column === 5 ? "a number, not negative" : "a number above 0";
  return `${columnNames[column] ?? ""} is ${reader.text(column)}: must be ${wanted}`;
}

function orderFault(times: Float64Array, index: number): string | undefined {
  if (index === 0) return undefined;
  const [previous = 0, current = 0] = [times[index - 1], times[index]];
  if (current > previous) return undefined;
  const at = new Date(current).toISOString();
  return current === previous ? `duplicate: ${at} stands on the line before, too` : `unordered: ${at} is before the bar above`;
}

function withTimeframe(series: BarSeries, lines: readonly number[], { gaps, timeframeMs: wanted }: CsvOptions): BarSeries {
  const timeframeMs = wanted ?? typicalDistance(series.time, gaps);
  const faults: Fault[] = [];
  for (let index = 1; index < series.length && faults.length < MAX_FAULTS; index++) {
    const distance = (series.time[index] ?? 0) - (series.time[index - 1] ?? 0);
    if (distance === timeframeMs) continue;
    const message = distanceFault(distance, timeframeMs, gaps);
    if (message !== undefined) faults.push({ line: lines[index] ?? 0, message });
  }
  if (faults.length > 0) fail(faults);
  return { ...series, timeframeMs };
}

function distanceFault(distance: number, timeframeMs: number, gaps: "Refuse" | "Skip"): string | undefined {
  if (distance % timeframeMs !== 0)
    return `${distance} ms after the bar above: not a multiple of the bar's length, ${timeframeMs} ms`;
  if (gaps === "Skip") return undefined;
  return `gap: ${distance / timeframeMs - 1} bars are missing before it (gaps: Skip goes on without them)`;
}

/** One line between two others must not redefine the grid, so that it is the one to be named. A single bar is taken for a minute. */
function typicalDistance(times: Float64Array, gaps: "Refuse" | "Skip"): number {
  const counts = new Map<number, number>();
  for (let index = 1; index < times.length; index++) {
    const distance = (times[index] ?? 0) - (times[index - 1] ?? 0);
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  let typical: number | undefined;
  for (const [distance, count] of counts) {
    const before = typical === undefined ? 0 : (counts.get(typical) ?? 0);
    const better =
      gaps === "Skip"
        ? distance < (typical ?? Infinity)
        : count > before || (count === before && distance < (typical ?? Infinity));
    if (better) typical = distance;
  }
  return typical ?? 60_000;
}

/** Walks the bytes line by line and notes where the cells are; makes no strings unless a fault asks for one. */
class CsvReader {
  readonly bytes: Uint8Array;
  readonly #starts = new Int32Array(8);
  #position: number;
  #lineEnd = 0;
  line = 0;
  /** Cells of the current line, at most 7 counted. */
  cells = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const hasByteOrderMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    this.#position = hasByteOrderMark ? 3 : 0;
  }

  header(): string {
    return this.next() ? new TextDecoder().decode(this.bytes.subarray(this.cell(0), this.#lineEnd)).trim() : "";
  }

  /** An upper bound of the lines left. */
  countLines(): number {
    let count = 1;
    for (let at = this.#position; (at = this.bytes.indexOf(LINE_FEED, at)) !== -1; at++) count++;
    return count;
  }

  /** Moves to the next line that is not empty; false at the end. */
  next(): boolean {
    const { bytes } = this;
    while (this.#position < bytes.length) {
      const start = this.#position;
      this.#splitFrom(start);
      this.line++;
      if (this.#lineEnd > start) return true;
    }
    return false;
  }

  #splitFrom(start: number): void {
    const { bytes } = this;
    let at = start;
    let cells = 1;
    this.#starts[0] = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === COMMA) {
        if (cells < 7) this.#starts[cells] = at + 1;
        if (cells < 7) cells++;
      } else if (byte === LINE_FEED) break;
    }
    this.#position = at + 1;
    this.#lineEnd = at > start && bytes[at - 1] === CARRIAGE_RETURN ? at - 1 : at;
    this.#starts[cells] = this.#lineEnd + 1;
    this.cells = cells;
  }

  cell(column: number): number {
    return this.#starts[column] ?? 0;
  }

  cellEnd(column: number): number {
    return (this.#starts[column + 1] ?? 0) - 1;
  }

  number(column: number): number {
    return parseNumber(this.bytes, this.cell(column), this.cellEnd(column));
  }

  text(column: number): string {
    return JSON.stringify(new TextDecoder().decode(this.bytes.subarray(this.cell(column), this.cellEnd(column))).slice(0, 60));
  }
}
