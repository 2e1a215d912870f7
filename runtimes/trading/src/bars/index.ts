/** Bars: read from CSV, made from a seed, cut, made coarser. */
export * from "./timeframe.ts";
export * from "./series.ts";
export * from "./aggregate.ts";
export * from "./synthetic.ts";
export * from "./csv.ts";
