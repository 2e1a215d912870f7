import { aggregateBars } from "../bars/aggregate.ts";
import { seriesSha256, type BarSeries } from "../bars/series.ts";
import { timeframeMs } from "../bars/timeframe.ts";
import { formatDecimal, parseDecimal, type Decimal } from "../decimal.ts";
import type { BreakerConfig } from "../breakers/breaker.ts";
import { describeLimits, effectiveLimits, rulesFor, type Limits, type LimitsSpec } from "../rules/limits.ts";
import type { Rule, TradingCondition } from "../rules/rule.ts";
import { TRADING_ACTIVE } from "../rules/trading-state.ts";
import { tradingCosts, type TradingCosts } from "../sizing/cost.ts";
import { effectiveSizing, type Sizing, type SizingSpec } from "../sizing/entry-cap.ts";
import { TradingError } from "../trading-error.ts";
import { marketTerms, type MarketTerms } from "../venue/market-terms.ts";
import type { PaperVenueConfig } from "../venue/paper-state.ts";
import type { MarketRules } from "../wire/market-data.ts";
import type { ModelPort } from "./language-model.ts";
import type { EngineProgram, ProgramParameters } from "./program.ts";

export interface StartingBalance {
  readonly asset: string;
  /** Decimal text, not negative. */
  readonly amount: string;
}

/** For a while the venue charges another fee than risk reckons with. Epoch milliseconds, `toMs` not included. */
export interface FeeSpike {
  readonly fromMs: number;
  readonly toMs: number;
  readonly feeBps: string | number;
}

export interface BacktestOptions {
  readonly program: EngineProgram;
  readonly parameters: ProgramParameters;
  readonly market: MarketRules;
  /** The strategy's; a multiple of the data's. */
  readonly timeframe: string;
  readonly bars: BarSeries;
  readonly volumeUnit: "Base" | "Quote";
  /** Part of a bar's volume that may fill. Default "0.10". */
  readonly volumeShareRatio?: string;
  readonly feeBps: string | number;
  readonly slippageBps: string | number;
  /** Default none. Where two overlap, the first counts. */
  readonly feeSpikes?: readonly FeeSpike[];
  readonly limits: LimitsSpec;
  /** RiskPolicy `sizing`. Absent: intents are taken at their own size. */
  readonly sizing?: SizingSpec | undefined;
  /** RiskPolicy `circuitBreakers`, defaults filled in. Default none. */
  readonly circuitBreakers?: readonly BreakerConfig[];
  /** Of the market's base and quote assets; base units are valued at the first bar's open. */
  readonly startingBalances: readonly StartingBalance[];
  readonly seed: number;
  /** The first bars, shown to the program but not decided on. Default 0. */
  readonly warmupBars?: number;
  /** Which closes are decided on (`every`, `cron`). Default: all. */
  readonly decides?: (closeMs: number) => boolean;
  /** The policy's `trading`. Default Active. */
  readonly trading?: TradingCondition;
  readonly log?: (message: string) => void;
  /** What answers the program's questions to models. Default: nothing. */
  readonly models?: ModelPort;
  /** Keep the decision log's text in the result. */
  readonly keepLog?: boolean;
}

/** Options with everything parsed and derived, once. */
export interface PreparedBacktest {
  readonly options: BacktestOptions;
  readonly terms: MarketTerms;
  readonly costs: TradingCosts;
  readonly rules: Rule;
  readonly limits: Limits;
  readonly sizing: Sizing | undefined;
  readonly trading: TradingCondition;
  readonly venueConfig: PaperVenueConfig;
  readonly venueSpikes: readonly { readonly fromMs: number; readonly toMs: number; readonly config: PaperVenueConfig }[];
  readonly stepMs: number;
  /** What the program decides on. */
  readonly decided: BarSeries;
  /** What the venue fills on: the data's own bars. Those up to decided bar i end before venueEnds[i]; undefined: one to one. */
  readonly venueBars: BarSeries;
  readonly venueBegin: number;
  readonly venueEnds: Int32Array | undefined;
  readonly balances: readonly { readonly asset: string; readonly amount: Decimal }[];
  /** First line of the decision log: everything the run depends on but the program's text. */
  readonly header: string;
}

/** Throws BACKTEST_INVALID, DECIMAL_INVALID. */
export function prepareBacktest(options: BacktestOptions): PreparedBacktest {
  const terms = marketTerms(options.market);
  const costs = tradingCosts(options);
  const limits = effectiveLimits(options.limits);
  const sizing = effectiveSizing(options.sizing);
  const breakers = options.circuitBreakers ?? [];
  const volumeShare = parseDecimal(options.volumeShareRatio ?? "0.10");
  const stepMs = timeframeMs(options.timeframe);
  const series = decidedSeries(options.bars, stepMs);
  if (series.decided.length === 0)
    throw new TradingError("BACKTEST_INVALID", `there is no whole bar of ${options.timeframe} in the data`);
  const balances = startingBalances(options, terms);
  const { volumeUnit, slippageBps, feeSpikes = [] } = options;
  const venueConfig = { markets: new Map([[terms.symbol, terms]]), costs, volumeShare, volumeUnit };
  const header = {
    format: "bellwether-backtest/1",
    market: options.market,
    timeframe: options.timeframe,
    bars: series.decided.length,
    data: seriesSha256(series.venueBars),
    volumeUnit: options.volumeUnit,
    volumeShareRatio: formatDecimal(volumeShare),
    feeRatio: formatDecimal(costs.feeRatio),
    slippageRatio: formatDecimal(costs.slippageRatio),
    ...(feeSpikes.length > 0 && { feeSpikes }),
    limits: describeLimits(limits),
    ...(sizing !== undefined && { sizing: options.sizing }),
    ...(breakers.length > 0 && { circuitBreakers: breakers }),
    balances: balances.map(({ asset, amount }) => ({ asset, amount: formatDecimal(amount) })),
    // Sorted: the same parameters in another order are the same run. One that changed no decision changes the digest all the same.
    parameters: Object.fromEntries(Object.entries(options.parameters).toSorted(([left], [right]) => (left < right ? -1 : 1))),
    seed: options.seed,
    warmupBars: options.warmupBars ?? 0,
    trading: (options.trading ?? TRADING_ACTIVE).state,
  };
  return {
    options,
    terms,
    costs,
    rules: rulesFor(limits),
    limits,
    sizing,
    trading: options.trading ?? TRADING_ACTIVE,
    venueConfig,
    venueSpikes: feeSpikes.map(({ fromMs, toMs, feeBps }) => {
      return { fromMs, toMs, config: { ...venueConfig, costs: tradingCosts({ feeBps, slippageBps }) } };
    }),
    stepMs,
    ...series,
    balances,
    header: JSON.stringify(header),
  };
}

type DecidedSeries = Pick<PreparedBacktest, "decided" | "venueBars" | "venueBegin" | "venueEnds">;

function decidedSeries(bars: BarSeries, stepMs: number): DecidedSeries {
  if (bars.timeframeMs === stepMs) return { decided: bars, venueBars: bars, venueBegin: 0, venueEnds: undefined };
  const { series, begin, ends } = aggregateBars(bars, stepMs);
  return { decided: series, venueBars: bars, venueBegin: begin, venueEnds: ends };
}

function startingBalances(
  { startingBalances: given }: BacktestOptions,
  { base, quote, symbol }: MarketTerms,
): PreparedBacktest["balances"] {
  const balances = given.map(({ asset, amount }) => ({ asset, amount: parseDecimal(amount) }));
  for (const { asset, amount } of balances) {
    if (asset !== base && asset !== quote) {
      throw new TradingError("BACKTEST_INVALID", `starting balance in ${asset}: ${symbol} trades ${base} and ${quote} only`, {
        context: { asset },
      });
    }
    if (amount < 0n)
      throw new TradingError("BACKTEST_INVALID", `starting balance in ${asset} is negative`, { context: { asset } });
  }
  if (!balances.some(({ amount }) => amount > 0n))
    throw new TradingError("BACKTEST_INVALID", "there is no starting balance above zero");
  return balances;
}
