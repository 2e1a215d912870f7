import { createHash } from "node:crypto";
import type { BarSeries } from "../venue/market-feed.ts";

/** A strategy as the journal knows it. */
export interface Strategy {
  readonly uid: string;
  readonly accountUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly subject: string;
  readonly mode: "Paper" | "Live";
  readonly markets: readonly BarSeries[];
  readonly marketSet: string;
  readonly shareRatio: string;
  readonly suspended: boolean;
  readonly run: number;
  readonly state: string;
  readonly lastDecisionTime: number | undefined;
  readonly decisions: number;
  /** Why its last decision went without its models; undefined: they answered, or none was asked. */
  readonly decisionFault: string | undefined;
  readonly admitted: boolean;
  readonly deletion: "Keep" | "Flatten" | undefined;
  readonly settled: boolean;
}

/** Digest of a market list, whatever its order: 32 hex characters. Agents echo it from their snapshot. */
export function marketSetOf(markets: readonly BarSeries[]): string {
  const lines = markets.map(({ market, timeframe }) => `${market}|${timeframe}`).toSorted();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}
