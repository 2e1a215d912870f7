import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { CodedError, messageOf } from "@bellwether/service-kit";
import { type BarSeries, TradingError, barAt, parseBars } from "@bellwether/trading";
import type { BrokerErrorCode } from "../../errors.ts";
import type { BarSource } from "./bar-source.ts";

/** More would not fit beside the rest in 120 MiB: a year of minutes and some. */
const mostBars = 600_000;
const mostBytes = 128 * 1024 * 1024;

/**
 * Bars of a mounted file: CSV as design.md describes it, gzip recognised by its first bytes.
 *
 * @throws CodedError DATASET_UNREADABLE, DATASET_INVALID naming the line
 */
export async function csvSource(file: string, gaps: "Refuse" | "Skip"): Promise<BarSource> {
  const packed = await readFile(file).catch((cause: unknown) => {
    throw new CodedError<BrokerErrorCode>("DATASET_UNREADABLE", `the dataset ${file} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  });
  let series: BarSeries;
  try {
    series = parseBars(unpacked(packed), { gaps });
  } catch (cause) {
    if (!(cause instanceof TradingError) && !(cause instanceof Error && "code" in cause)) throw cause;
    throw new CodedError<BrokerErrorCode>("DATASET_INVALID", `the dataset ${file} has faults: ${messageOf(cause)}`, { cause });
  }
  if (series.length > mostBars) {
    throw new CodedError<BrokerErrorCode>(
      "DATASET_INVALID",
      `the dataset ${file} has ${series.length} bars, at most ${mostBars} can be replayed`,
    );
  }
  return seriesSource(series, createHash("sha256").update(packed).digest("hex"));
}

function unpacked(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: mostBytes }) : bytes;
}

export function seriesSource(series: BarSeries, digest: string): BarSource {
  const { time, length } = series;
  return {
    digest,
    baseMs: series.timeframeMs,
    count: length,
    bar: (index) => barAt(series, index),
    timeAt: (index) => time[index] ?? Number.NaN,
    indexFrom(timeMs) {
      let low = 0;
      let high = length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((time[middle] ?? Number.POSITIVE_INFINITY) < timeMs) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}
