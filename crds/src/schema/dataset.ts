import { z } from "zod";
import { configMapKeyReference } from "./references.ts";
import { exactlyOneOf } from "./rule.ts";
import { exchange, marketSymbol, objectName, seed, text, url, wholeNumber } from "./scalars.ts";

export const volumeFile = z.strictObject({
  claimName: objectName.describe("PersistentVolumeClaim that holds the file."),
  path: text({
    pattern: /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/,
    max: 500,
    message: "must be a relative path within the volume, such as bars/btc.csv",
  }).describe("File within the volume, relative to its root."),
});

/** Public market data of an exchange. */
export const exchangeData = z.strictObject({
  exchange: exchange.describe("Id of the exchange in ccxt."),
  baseUrl: url.optional().describe("Address to ask instead of the exchange's own, for a proxy or a test server."),
});

const syntheticData = z.strictObject({
  seed: seed.describe("Seed of the generator: the same seed gives the same bars."),
  bars: wholeNumber(100, 1_000_000)
    .optional()
    .describe("How many bars a backtest gets. Default 10080, one week of minutes. A replay never ends."),
});

/**
 * Where bars come from: a backtest's, and those of a `replay` market.
 * CSV with the header `timestamp,open,high,low,close,volume`; timestamps ISO 8601 (without a zone: UTC) or epoch milliseconds.
 */
export const dataset = exactlyOneOf(
  z.strictObject({
    configMapRef: configMapKeyReference.optional().describe("A key of a ConfigMap: CSV or gzipped CSV, also under binaryData."),
    volume: volumeFile.optional().describe("A CSV file (or gzipped CSV) on a volume."),
    ccxt: exchangeData.optional().describe("History downloaded from an exchange."),
    synthetic: syntheticData.optional().describe("Bars generated from a seed, for demonstrations and tests."),
    symbol: marketSymbol.optional().describe("The market the bars are of. Default: the only market of the strategy."),
    volumeUnit: z
      .enum(["Base", "Quote"])
      .optional()
      .describe("What the volume column counts: the base asset (default) or the quote asset."),
    gaps: z
      .enum(["Refuse", "Skip"])
      .optional()
      .describe("What to do about missing bars: refuse to start (default) or go on without them."),
  }),
  ["configMapRef", "volume", "ccxt", "synthetic"],
);
export type Dataset = z.infer<typeof dataset>;
