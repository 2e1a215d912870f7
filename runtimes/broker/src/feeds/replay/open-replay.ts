import { join } from "node:path";
import type { Clock, Logger } from "@bellwether/service-kit";
import { timeframeMs } from "@bellwether/trading";
import type { BrokerConfig, ReplayMarketConfig } from "../../config.ts";
import type { BarSource } from "./bar-source.ts";
import { csvSource } from "./csv-source.ts";
import { ReplayClock } from "./replay-clock.ts";
import { ReplayFeed } from "./replay-feed.ts";
import { SyntheticSource } from "./synthetic-source.ts";

/** Bars that lie before the start of a replay, so that indicators have a past: this many of the longest timeframe, and a week at least. */
const warmupBars = 500;
const leastWarmupMs = 7 * 86_400_000;
/** The generated market has past enough: strategies of a longer timeframe may come after the start. */
const syntheticWarmupMs = 60 * 86_400_000;

export interface OpenReplayOptions {
  readonly config: Pick<BrokerConfig, "dataDirectory" | "markets">;
  readonly replay: ReplayMarketConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

/** @throws CodedError DATASET_UNREADABLE, DATASET_INVALID, DATASET_CHANGED */
export async function openReplay({ config, replay, clock, log }: OpenReplayOptions): Promise<ReplayFeed> {
  const { dataset } = replay;
  const data = "file" in dataset ? await csvSource(dataset.file, replay.gaps) : new SyntheticSource(dataset.synthetic.seed);
  const replayClock = await ReplayClock.open({
    file: join(config.dataDirectory, "replay-start.json"),
    dataset: data.digest,
    speed: replay.speed,
    startMs: startOf(data, config.markets, "file" in dataset ? leastWarmupMs : syntheticWarmupMs),
    endMs: data.timeAt(data.count - 1) + data.baseMs,
    clock,
  });
  // One file holds one market; the generated one is played under any name.
  const symbol = "file" in dataset ? (replay.symbol ?? config.markets[0]?.symbol) : undefined;
  const serves = (name: string): boolean => !("file" in dataset) || name === symbol;
  const markets = config.markets.filter((market) => serves(market.symbol));
  for (const market of config.markets) if (!serves(market.symbol)) log.warn({ market }, "the dataset does not hold this market");
  return new ReplayFeed({ source: (name) => (serves(name) ? data : undefined), markets, replayClock, clock, log });
}

/** Never beyond the middle of the data: a short file should still have something to replay. */
function startOf(data: BarSource, markets: readonly { timeframe: string }[], leastMs: number): number {
  const longest = Math.max(data.baseMs, ...markets.map((market) => timeframeMs(market.timeframe)));
  const first = data.timeAt(0);
  return Math.min(first + Math.max(leastMs, warmupBars * longest), data.timeAt(Math.floor(data.count / 2)));
}
