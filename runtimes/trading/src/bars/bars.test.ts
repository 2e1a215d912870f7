import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aggregateBars } from "./aggregate.ts";
import { parseBars, type CsvOptions } from "./csv.ts";
import { parseNumber } from "./csv-cells.ts";
import { barAt, barsBetween, seriesFromBars, seriesSha256, sliceSeries, type BarSeries } from "./series.ts";
import { syntheticBars } from "./synthetic.ts";
import { barOpening, timeframeMs } from "./timeframe.ts";

const header = "timestamp,open,high,low,close,volume";
const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string, options: CsvOptions = { gaps: "Refuse" }) => parseBars(bytes(text), options);
const rows = (series: BarSeries) => Array.from({ length: series.length }, (_, index) => barAt(series, index));
const minute = 60_000;

describe("parseBars", () => {
  test.each([
    ["a blank for the T, microseconds, no zone", "2022-01-01 00:01:00.000000"],
    ["a T and a Z", "2022-01-01T00:01:00Z"],
    ["milliseconds", "2022-01-01T00:01:00.000Z"],
    ["an offset", "2022-01-01T01:31:00+01:30"],
    ["an offset without colon", "2021-12-31 19:01:00-0500"],
    ["no seconds", "2022-01-01 00:01"],
    ["epoch milliseconds", "1640995260000"],
  ])("reads a timestamp with %s", (_what, timestamp) => {
    const series = parse(`${header}\n${timestamp},1.5,2,1,1.25,1000.125\n`);
    expect(rows(series)).toEqual([{ time: 1_640_995_260_000, open: 1.5, high: 2, low: 1, close: 1.25, volume: 1000.125 }]);
  });

  test("takes a byte order mark, carriage returns, empty lines and no final line feed", () => {
    const series = parse(`\uFEFF${header}\r\n0000000060000,1,1,1,1,0\r\n\r\n0000000120000,1,1,1,1,0`);
    expect([...series.time]).toEqual([60_000, 120_000]);
    expect(series.timeframeMs).toBe(minute);
  });

  const good = (at: number) => `${1_640_995_200_000 + at * minute},10,12,9,11,5`;
  test.each([
    ["another header", `time,open,high,low,close,volume\n${good(1)}`, /^line 1: the header is/],
    ["no bars", `${header}\n`, /^line 2: there is no bar/],
    ["nothing at all", "", /^line 1: the header is/],
    ["a duplicate", `${header}\n${good(1)}\n${good(1)}\n`, /^line 3: duplicate: 2022-01-01T00:01:00.000Z/],
    ["an earlier bar", `${header}\n${good(2)}\n${good(1)}\n`, /^line 3: unordered/],
    ["a gap", `${header}\n${good(1)}\n${good(2)}\n${good(5)}\n`, /^line 4: gap: 2 bars are missing/],
    ["a time off the grid", `${header}\n${good(1)}\n${good(2)}\n${good(3.5)}\n`, /^line 4: 90000 ms after/],
    [
      "a negative price",
      `${header}\n${good(1)}\n1640995320000,-10,12,9,11,5\n`,
      /^line 3: open is "-10": must be a number above 0/,
    ],
    ["a price of nothing", `${header}\n1640995320000,10,12,0,11,5\n`, /^line 2: low is "0"/],
    ["a NaN", `${header}\n1640995320000,10,12,9,NaN,5\n`, /^line 2: close is "NaN"/],
    ["an empty cell", `${header}\n1640995320000,10,12,9,,5\n`, /^line 2: close is ""/],
    ["an infinity", `${header}\n1640995320000,10,Infinity,9,11,5\n`, /^line 2: high is "Infinity"/],
    ["a negative volume", `${header}\n1640995320000,10,12,9,11,-5\n`, /^line 2: volume is "-5": must be a number, not negative/],
    ["a high below the low", `${header}\n1640995320000,10,8,9,10,5\n`, /^line 2: high 8 is below/],
    ["a low above the close", `${header}\n1640995320000,10,12,9.5,9,5\n`, /^line 2: low 9.5 is above/],
    ["a column too few", `${header}\n1640995320000,10,12,9,11\n`, /^line 2: 5 columns/],
    ["a column too many", `${header}\n1640995320000,10,12,9,11,5,6\n`, /^line 2: 7 columns/],
    ["a day that does not exist", `${header}\n2022-02-30 00:00:00,10,12,9,11,5\n`, /^line 2: timestamp is "2022-02-30 00:00:00"/],
    ["a word for a time", `${header}\nyesterday,10,12,9,11,5\n`, /^line 2: timestamp is "yesterday"/],
    ["a hexadecimal price", `${header}\n1640995320000,0x10,12,9,11,5\n`, /^line 2: open is "0x10"/],
  ])("refuses %s by line number", (_what, text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "BARS_INVALID", message: expect.stringMatching(message) }));
  });

  test("names several faults at once, but not all of a broken file", () => {
    const broken = Array.from({ length: 50 }, () => "x,1,1,1,1,1").join("\n");
    try {
      parse(`${header}\n${broken}`);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ context: { faults: { length: 10 } } });
    }
  });

  test("goes on without missing bars when told to", () => {
    const series = parse(`${header}\n${good(1)}\n${good(2)}\n${good(5)}\n`, { gaps: "Skip" });
    expect(series).toMatchObject({ length: 3, timeframeMs: minute });
  });

  test("reads every number as JavaScript does", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ min: 1e-9, max: 1e17, noNaN: true }),
          fc.integer({ min: 0, max: 1e9 }).map((n) => n / 1e4),
        ),
        (value) => {
          const cell = bytes(String(value));
          expect(parseNumber(cell, 0, cell.length)).toBe(value);
        },
      ),
      { numRuns: 1000 },
    );
  });

  const real = new URL("../../../../../shared/data/btc-perp-1m.csv", import.meta.url);
  test.skipIf(!existsSync(real))("reads the real month of minutes (needs ../shared/data/btc-perp-1m.csv)", () => {
    const series = parseBars(readFileSync(real), { gaps: "Refuse" });
    expect(series).toMatchObject({ length: 45_031, timeframeMs: minute });
    expect(barAt(series, 0)).toEqual({
      time: 1_640_991_660_000,
      open: 46_319,
      high: 46_385,
      low: 46_319,
      close: 46_377,
      volume: 2_300_413.7295,
    });
  });
});

describe("a series", () => {
  const series = syntheticBars({ seed: 5, length: 100, timeframeMs: minute });

  test("is cut by time: from inclusive, to exclusive", () => {
    const from = series.time[10]!;
    expect(barsBetween(series, { fromMs: from, toMs: from + 3 * minute })).toMatchObject({ length: 3 });
    expect(barsBetween(series, { fromMs: from + 1 }).time[0]).toBe(from + minute);
    expect(barsBetween(series, {}).length).toBe(100);
    expect(barsBetween(series, { fromMs: from, toMs: from - minute }).length).toBe(0);
  });

  test("has a digest of its values, whatever it was cut from", () => {
    expect(seriesSha256(sliceSeries(series, 3, 50))).toBe(seriesSha256(seriesFromBars(rows(series).slice(3, 50), minute)));
    expect(seriesSha256(sliceSeries(series, 3, 50))).not.toBe(seriesSha256(sliceSeries(series, 3, 51)));
  });
});

describe("aggregateBars", () => {
  const barsFrom = (first: number, count: number) =>
    seriesFromBars(
      Array.from({ length: count }, (_, index) => ({
        time: (first + index) * minute,
        open: index + 1,
        high: index + 3,
        low: index + 0.5,
        close: index + 2,
        volume: 10,
      })),
      minute,
    );

  test("takes the first open, the extremes, the last close, the sum of volumes", () => {
    const { series, begin, ends } = aggregateBars(barsFrom(5, 10), 5 * minute);
    expect(rows(series)).toEqual([
      { time: 5 * minute, open: 1, high: 7, low: 0.5, close: 6, volume: 50 },
      { time: 10 * minute, open: 6, high: 12, low: 5.5, close: 11, volume: 50 },
    ]);
    expect([begin, ...ends]).toEqual([0, 5, 10]);
  });

  test("leaves out what the data does not cover from beginning to end", () => {
    const { series, begin, ends } = aggregateBars(barsFrom(3, 14), 5 * minute);
    expect([...series.time]).toEqual([5 * minute, 10 * minute]);
    expect([begin, ...ends]).toEqual([2, 7, 12]);
  });

  test("refuses lengths that do not divide", () => {
    expect(() => aggregateBars(barsFrom(0, 4), 90_000)).toThrow(expect.objectContaining({ code: "BACKTEST_INVALID" }));
  });
});

describe("timeframes", () => {
  test.each([
    ["1s", 1000],
    ["15m", 900_000],
    ["4h", 14_400_000],
    ["1d", 86_400_000],
    ["1w", 604_800_000],
  ])("%s are %d ms", (timeframe, expected) => {
    expect(timeframeMs(timeframe)).toBe(expected);
  });

  test.each(["0m", "m", "1M", "1.5h", ""])("%j is none", (timeframe) => {
    expect(() => timeframeMs(timeframe)).toThrow(expect.objectContaining({ code: "BACKTEST_INVALID" }));
  });

  test("days begin at midnight UTC, weeks on Monday", () => {
    const wednesday = Date.UTC(2022, 0, 5, 13, 7);
    expect(barOpening(wednesday, timeframeMs("1d"))).toBe(Date.UTC(2022, 0, 5));
    expect(barOpening(wednesday, timeframeMs("1w"))).toBe(Date.UTC(2022, 0, 3));
  });
});

describe("the synthetic market", () => {
  test("is the same for a seed, and another for another", () => {
    const make = (seed: number) => seriesSha256(syntheticBars({ seed, length: 500, timeframeMs: minute }));
    expect(make(1)).toBe(make(1));
    expect(make(1)).not.toBe(make(2));
  });

  test("has known first bars: a change of the generator must not go unnoticed", () => {
    expect(rows(syntheticBars({ seed: 42, length: 2, timeframeMs: minute }))).toMatchInlineSnapshot(`
      [
        {
          "close": 39999.16,
          "high": 40006.98,
          "low": 39995.91,
          "open": 40000,
          "time": 1704067200000,
          "volume": 20.55,
        },
        {
          "close": 39955.07,
          "high": 39999.16,
          "low": 39955.07,
          "open": 39999.16,
          "time": 1704067260000,
          "volume": 37.652,
        },
      ]
    `);
  });

  test("only goes on when more bars are asked for", () => {
    const [long, short] = [500, 200].map((length) => syntheticBars({ seed: 9, length, timeframeMs: minute }));
    expect(rows(sliceSeries(long!, 0, 200))).toEqual(rows(short!));
  });

  test("is what the CSV would accept, in whole cents", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const series = syntheticBars({ seed, length: 300, timeframeMs: minute });
        const lines = rows(series).map(({ time, open, high, low, close, volume }) =>
          [time, open, high, low, close, volume].join(","),
        );
        expect(rows(parse(`${header}\n${lines.join("\n")}\n`))).toEqual(rows(series));
        expect(series.close.every((close) => Math.round(close * 100) / 100 === close)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});
