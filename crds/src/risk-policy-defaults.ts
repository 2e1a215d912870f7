import { type EffectiveDataset, effectiveDataset } from "./dataset-defaults.ts";
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
  readonly market:
    | { readonly kind: "replay"; readonly dataset: EffectiveDataset; readonly speed: number }
    | { readonly kind: "ccxt"; readonly exchange: string; readonly baseUrl: string | undefined };
}

export interface EffectiveBreaker {
  readonly type: BreakerType;
  readonly threshold: string | undefined;
  readonly window: string;
  readonly cooldown: string;
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

const DEFAULT_BREAKERS: Readonly<Record<BreakerType, Omit<EffectiveBreaker, "type" | "action">>> = {
  RapidLoss: { threshold: "0.03", window: "15m", cooldown: "1h" },
  Drawdown: { threshold: "0.20", window: "24h", cooldown: "0s" },
  ConsecutiveLosses: { threshold: "5", window: "24h", cooldown: "1h" },
  VolatilitySpike: { threshold: "3", window: "1h", cooldown: "15m" },
  GasSpike: { threshold: "3", window: "1h", cooldown: "15m" },
  VenueStale: { threshold: undefined, window: "2m", cooldown: "1m" },
  RejectRate: { threshold: "0.50", window: "5m", cooldown: "15m" },
  PriceDeviation: { threshold: "0.02", window: "1m", cooldown: "5m" },
};

function effectiveMarket(market: NonNullable<RiskAccount["paper"]>["market"]): EffectivePaperAccount["market"] {
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
    circuitBreakers: (spec.circuitBreakers ?? []).map(({ type, threshold, window, cooldown, action }) => {
      const defaults = DEFAULT_BREAKERS[type];
      return {
        type,
        threshold: threshold === undefined ? defaults.threshold : String(threshold),
        window: window ?? defaults.window,
        cooldown: cooldown ?? defaults.cooldown,
        action: action ?? "Halt",
      };
    }),
  };
}
