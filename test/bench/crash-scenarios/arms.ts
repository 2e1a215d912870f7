import { DEFAULT_LIMITS, type EffectiveBreaker, effectiveRiskPolicySpec, type RiskPolicySpec } from "@bellwether/crds";
import { type BacktestOptions, type LimitsSpec, rulesFromSymbol } from "@bellwether/trading";
import { type BoundProgram, bindProgram } from "../../../runtimes/agent/src/interface/define-strategy.ts";
import { builtinProgram } from "../../../runtimes/agent/src/programs/builtins.ts";
import type { PricePath } from "./paths.ts";

export const STARTING_EQUITY = 10_000;

/** The same in both arms: a program may put its whole sub-account into one market, otherwise hardly anything could be lost in a day. */
const POSITION_CAPS = {
  maxPositionRatio: "1",
  maxTokenConcentrationRatio: "1",
  maxOrderNotional: "1000000",
  maxOpenOrders: DEFAULT_LIMITS.maxOpenOrders,
} as const;

/** Every builtin with its own defaults, but nearly all of the equity (95 %) in the market: room for fees, and for the limits of the ladder. */
const PROGRAMS: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  momentum: { equityRatio: "0.95" },
  "mean-reversion": { equityRatio: "0.95" },
  breakout: { equityRatio: "0.95" },
  grid: { levels: 5, notional: "1900" },
  dca: { everyBars: 60, notional: "950", maxPurchases: 10 },
};

export const programNames: readonly string[] = Object.keys(PROGRAMS);

const bound = new Map<string, BoundProgram>();

function programOf(name: string): BoundProgram {
  const known = bound.get(name) ?? bindProgram(builtinProgram(name), PROGRAMS[name] ?? {});
  bound.set(name, known);
  return known;
}

/** What protects an arm. */
export interface Arm {
  readonly limits: LimitsSpec;
  readonly circuitBreakers: readonly EffectiveBreaker[];
}

/** No limit of loss or of the rate of orders, no breaker. */
export const UNPROTECTED: Arm = { limits: POSITION_CAPS, circuitBreakers: [] };

/**
 * What a RiskPolicy has that says nothing of limits and breakers, but for the position caps.
 *
 * @param circuitBreakers instead of those of a policy that names none: for asking what others would have done
 */
export function protectedArm(circuitBreakers?: RiskPolicySpec["circuitBreakers"]): Arm {
  const spec: RiskPolicySpec = { baseCurrency: "USDT", accounts: [], ...(circuitBreakers && { circuitBreakers }) };
  return {
    limits: { ...DEFAULT_LIMITS, ...POSITION_CAPS },
    circuitBreakers: effectiveRiskPolicySpec(spec).circuitBreakers,
  };
}

const market = rulesFromSymbol("BTC/USDT");

/** A backtest of one program over one path under one arm: 10,000 USDT, 10 basis points of fee, 5 of slippage. */
export function backtestOf(name: string, { bars, feeSpikes }: PricePath, { limits, circuitBreakers }: Arm): BacktestOptions {
  if (market === undefined) throw new TypeError("BTC/USDT is a market");
  const program = programOf(name);
  return {
    program,
    parameters: program.parameters,
    market,
    timeframe: "1m",
    bars,
    volumeUnit: "Quote",
    feeBps: "10",
    slippageBps: "5",
    feeSpikes,
    limits,
    circuitBreakers,
    startingBalances: [{ asset: "USDT", amount: String(STARTING_EQUITY) }],
    seed: 1,
  };
}
