import type { Bar, Series } from "./program.ts";

/** Closed bars by column, oldest first; all columns have the same length. Times are opening times, epoch milliseconds. */
export interface BarColumns {
  readonly times: Float64Array;
  readonly opens: Float64Array;
  readonly highs: Float64Array;
  readonly lows: Float64Array;
  readonly closes: Float64Array;
  readonly volumes: Float64Array;
}

function outOfRange(ago: number, length: number): RangeError {
  return new RangeError(`at(${ago}) asks for a bar that is not known: 0 is the last of ${length}`);
}

/** A column up to the bar decided on. */
class Column implements Series {
  #values: Float64Array;
  #length: number;

  constructor(values: Float64Array, length: number) {
    this.#values = values;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  /** Throws rather than answers NaN: measured, two averages over 80 bars take 55 ns so and 300 ns with a choice of results. */
  at(ago: number): number {
    if (!(ago >= 0 && ago < this.#length)) throw outOfRange(ago, this.#length);
    return this.#values[this.#length - 1 - ago] as number;
  }

  sum(count: number, ago = 0): number {
    const end = this.#length - ago;
    if (!(ago >= 0 && count >= 0 && end >= count)) throw outOfRange(ago + count - 1, this.#length);
    const values = this.#values;
    let sum = 0;
    for (let index = end - count; index < end; index++) sum += values[index] as number;
    return sum;
  }

  moveTo(length: number): void {
    this.#length = length;
  }

  append(value: number): void {
    this.#values[this.#length++] = value;
  }

  /** Forgets all but the newest `count`. */
  keep(count: number): void {
    this.#values.copyWithin(0, this.#length - count, this.#length);
    this.#length = count;
  }
}

/**
 * The closed bars of one market as a program may see them: over columns that are known already, revealed one by one
 * (backtest), or growing bar by bar within a bound (paper, live).
 */
export class BarHistory {
  readonly opens: Column;
  readonly highs: Column;
  readonly lows: Column;
  readonly closes: Column;
  readonly volumes: Column;
  readonly #times: Column;
  readonly #capacity: number;
  /** The same bars as objects, made when first asked for. */
  readonly #bars: (Bar | undefined)[] = [];

  private constructor(columns: BarColumns, length: number) {
    this.#times = new Column(columns.times, length);
    this.opens = new Column(columns.opens, length);
    this.highs = new Column(columns.highs, length);
    this.lows = new Column(columns.lows, length);
    this.closes = new Column(columns.closes, length);
    this.volumes = new Column(columns.volumes, length);
    this.#capacity = columns.times.length;
  }

  /** Reads `columns` in place; the first `length` bars are known. */
  static over(columns: BarColumns, length: number): BarHistory {
    return new BarHistory(columns, length);
  }

  /** Empty; keeps at least the newest `bound` bars. */
  static bounded(bound: number): BarHistory {
    const column = (): Float64Array => new Float64Array(bound * 2);
    const columns = { times: column(), opens: column(), highs: column(), lows: column(), closes: column(), volumes: column() };
    return new BarHistory(columns, 0);
  }

  get length(): number {
    return this.closes.length;
  }

  /** Opening time of the last bar; NaN before the first. */
  get lastTime(): number {
    return this.length === 0 ? Number.NaN : this.#times.at(0);
  }

  get lastClose(): number {
    return this.length === 0 ? Number.NaN : this.closes.at(0);
  }

  /** The first `length` bars are known now. */
  moveTo(length: number): void {
    this.#times.moveTo(length);
    this.opens.moveTo(length);
    this.highs.moveTo(length);
    this.lows.moveTo(length);
    this.closes.moveTo(length);
    this.volumes.moveTo(length);
  }

  append(bar: Bar): void {
    if (this.length === this.#capacity) this.#forgetOldest();
    this.#times.append(bar.time);
    this.opens.append(bar.open);
    this.highs.append(bar.high);
    this.lows.append(bar.low);
    this.closes.append(bar.close);
    this.volumes.append(bar.volume);
  }

  /** The last `count` bars, oldest first: a fresh array of objects that are made once a bar. */
  bars(count: number): Bar[] {
    const end = this.length;
    const start = Math.max(0, end - Math.max(0, Math.trunc(count)));
    // Pushed in order: an array with a wide hole would become a slow dictionary.
    while (this.#bars.length < start) this.#bars.push(undefined);
    for (let index = start; index < end; index++) this.#bars[index] ??= this.#bar(end - 1 - index);
    return this.#bars.slice(start, end) as Bar[];
  }

  #bar(ago: number): Bar {
    return {
      time: this.#times.at(ago),
      open: this.opens.at(ago),
      high: this.highs.at(ago),
      low: this.lows.at(ago),
      close: this.closes.at(ago),
      volume: this.volumes.at(ago),
    };
  }

  #forgetOldest(): void {
    const kept = this.#capacity / 2;
    for (const column of [this.#times, this.opens, this.highs, this.lows, this.closes, this.volumes]) column.keep(kept);
    this.#bars.length = 0;
  }
}
