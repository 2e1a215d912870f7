import { type EffectiveDataset, effectiveDataset } from "./dataset-defaults.ts";
import { durationMs } from "./schema/scalars.ts";
import type { BreakerType, RiskAccount, RiskPolicySpec } from "./risk-policy.ts";

/** Limits with every default filled in. Ratios and amounts are decimal strings; amounts in the base currency. */
export interface EffectiveLimits {
  readonly maxPositionRatio: string;
  readonly maxTokenConcentrationRatio: string;
  readonly maxOrderNotional: string;
  readonly maxOpenOrders: number;
  readonly maxOrdersPerMinute: number;
  readonly maxDailyLossRatio: string;
  readonly maxDrawdownRatio: string;
}

export const DEFAULT_LIMITS: EffectiveLimits = {
  maxPositionRatio: "0.20",
  maxTokenConcentrationRatio: "0.50",
  maxOrderNotional: "10000",
  maxOpenOrders: 20,
  maxOrdersPerMinute: 60,
  maxDailyLossRatio: "0.05",
  maxDrawdownRatio: "0.20",
};

export interface EffectivePaperAccount {
  readonly balances: readonly { readonly asset: string; readonly amount: string }[];
  /** Basis points as decimal text. */
  readonly feeBps: string;
  readonly slippageBps: string;
  /** Most of a bar's volume that fills in it. */
  readonly volumeShareRatio: string;
  readonly market: EffectiveMarket;
}

export type EffectiveMarket =
  | { readonly kind: "replay"; readonly dataset: EffectiveDataset; readonly speed: number }
  | { readonly kind: "ccxt"; readonly exchange: string; readonly baseUrl: string | undefined };

export interface EffectiveBreaker {
  readonly type: BreakerType;
  /** A ratio, a multiple or a count; VenueStale has none. */
  readonly threshold: number | undefined;
  readonly windowMs: number;
  readonly cooldownMs: number;
  readonly action: "Halt" | "Reduce" | "Flatten";
}

export interface EffectiveRiskPolicySpec {
  readonly baseCurrency: string;
  readonly trading: "Active" | "Reducing" | "Halted";
  readonly accounts: RiskPolicySpec["accounts"];
  readonly limits: EffectiveLimits;
  readonly sizing: RiskPolicySpec["sizing"];
  readonly gas: RiskPolicySpec["gas"];
  readonly circuitBreakers: readonly EffectiveBreaker[];
}

const minuteMs = 60_000;
const hourMs = 3_600_000;

/** The window of RapidLoss is measured, not guessed: docs/evidence.md. A breaker that halts with an open position protects nothing, so those that see money being lost sell; those that see something strange stop. */
const BREAKER_DEFAULTS: Readonly<Record<BreakerType, Omit<EffectiveBreaker, "type">>> = {
  RapidLoss: { threshold: 0.03, windowMs: 4 * hourMs, cooldownMs: hourMs, action: "Flatten" },
  Drawdown: { threshold: 0.2, windowMs: 24 * hourMs, cooldownMs: 0, action: "Flatten" },
  ConsecutiveLosses: { threshold: 5, windowMs: 24 * hourMs, cooldownMs: hourMs, action: "Reduce" },
  VolatilitySpike: { threshold: 3, windowMs: hourMs, cooldownMs: 15 * minuteMs, action: "Reduce" },
  GasSpike: { threshold: 3, windowMs: hourMs, cooldownMs: 15 * minuteMs, action: "Halt" },
  VenueStale: { threshold: undefined, windowMs: 2 * minuteMs, cooldownMs: minuteMs, action: "Halt" },
  RejectRate: { threshold: 0.5, windowMs: 5 * minuteMs, cooldownMs: 15 * minuteMs, action: "Halt" },
  PriceDeviation: { threshold: 0.02, windowMs: minuteMs, cooldownMs: 5 * minuteMs, action: "Halt" },
};

/** What protects a policy that says nothing of breakers; `circuitBreakers: []` takes them off. */
export const DEFAULT_BREAKERS: readonly BreakerType[] = ["RapidLoss", "Drawdown"];

function effectiveBreaker(given: NonNullable<RiskPolicySpec["circuitBreakers"]>[number]): EffectiveBreaker {
  const { type, threshold, window, cooldown, action } = given;
  const defaults = BREAKER_DEFAULTS[type];
  return {
    type,
    threshold: threshold === undefined ? defaults.threshold : Number(threshold),
    windowMs: window === undefined ? defaults.windowMs : durationMs(window),
    cooldownMs: cooldown === undefined ? defaults.cooldownMs : durationMs(cooldown),
    action: action ?? defaults.action,
  };
}

function effectiveMarket(market: NonNullable<RiskAccount["paper"]>["market"]): EffectiveMarket {
  if (market.replay) return { kind: "replay", dataset: effectiveDataset(market.replay.dataset), speed: market.replay.speed ?? 1 };
  if (market.ccxt) return { kind: "ccxt", exchange: market.ccxt.exchange, baseUrl: market.ccxt.baseUrl };
  throw new TypeError("a paper market without a source passed validation");
}

/** Fills in what a paper account leaves out. */
export const effectivePaperAccount = (paper: NonNullable<RiskAccount["paper"]>): EffectivePaperAccount => ({
  balances: paper.balances,
  feeBps: String(paper.feeBps ?? 10),
  slippageBps: String(paper.slippageBps ?? 5),
  volumeShareRatio: paper.volumeShareRatio ?? "0.10",
  market: effectiveMarket(paper.market),
});

/** Where the prices of an account come from that do not come from its venue; undefined for one at an exchange, which has its own. */
export function marketDataOf({ paper, solana }: RiskAccount): EffectiveMarket | undefined {
  if (paper) return effectiveMarket(paper.market);
  return solana && effectiveMarket(solana.market ?? { ccxt: { exchange: "binance" } });
}

/** Fills in what a RiskPolicy leaves out; its accounts stay as written (see `effectivePaperAccount`). */
export function effectiveRiskPolicySpec(spec: RiskPolicySpec): EffectiveRiskPolicySpec {
  const given = Object.fromEntries(Object.entries(spec.limits ?? {}).filter(([, value]) => value !== undefined));
  return {
    baseCurrency: spec.baseCurrency,
    trading: spec.trading ?? "Active",
    accounts: spec.accounts,
    limits: { ...DEFAULT_LIMITS, ...given },
    sizing: spec.sizing,
    gas: spec.gas,
    circuitBreakers: (spec.circuitBreakers ?? DEFAULT_BREAKERS.map((type) => ({ type }))).map(effectiveBreaker),
  };
}
