import { ANNOTATION, type RiskPolicy, effectivePaperAccount, effectiveRiskPolicySpec } from "@bellwether/crds";
import {
  type BreakerConfig,
  type GasLimits,
  type Limits,
  type Sizing,
  type TradingCosts,
  effectiveGas,
  effectiveLimits,
  effectiveSizing,
  tradingCosts,
} from "@bellwether/trading";

/** What an account is and costs. */
export interface AccountTerms {
  readonly kind: "paper" | "ccxt" | "solana";
  readonly costs: TradingCosts;
  /** What a paper account begins with, by asset. */
  readonly paperBalances?: ReadonlyMap<string, string>;
}

/** A RiskPolicy as risk judges by it: defaults filled in, numbers parsed once. */
export interface EffectivePolicy {
  readonly uid: string;
  readonly generation: number;
  readonly baseCurrency: string;
  readonly trading: "Active" | "Reducing" | "Halted";
  /** The reason in the annotation `bellwether.dev/halt`; empty text counts as set. */
  readonly haltAnnotation: string | undefined;
  /** The same of `bellwether.dev/reduce`. */
  readonly reduceAnnotation: string | undefined;
  /** `bellwether.dev/reset-breaker`: "<type> <anything>". */
  readonly resetAnnotation: string | undefined;
  readonly limits: Limits;
  readonly circuitBreakers: readonly BreakerConfig[];
  readonly sizing: Sizing | undefined;
  readonly gas: GasLimits;
  /** Every limit in force as text, for status. */
  readonly shownLimits: Readonly<Record<string, string>>;
  readonly accounts: ReadonlyMap<string, AccountTerms>;
}

/** What buys must reserve beyond the price where the venue's own fees are not known from the policy. */
const cautiousCosts = { feeBps: "20", slippageBps: "10" } as const;

function termsOf(account: RiskPolicy["spec"]["accounts"][number]): AccountTerms {
  if (account.paper) {
    const { balances, ...costs } = effectivePaperAccount(account.paper);
    const paperBalances = new Map(balances.map(({ asset, amount }) => [asset, amount]));
    return { kind: "paper", costs: tradingCosts(costs), paperBalances };
  }
  return { kind: account.ccxt ? "ccxt" : "solana", costs: tradingCosts(cautiousCosts) };
}

/** Reads the parts of a RiskPolicy that orders are judged by; the object has passed the API server's validation. */
export function effectivePolicy(object: RiskPolicy): EffectivePolicy {
  const spec = effectiveRiskPolicySpec(object.spec);
  return {
    uid: object.metadata.uid ?? "",
    generation: object.metadata.generation ?? 0,
    baseCurrency: spec.baseCurrency,
    trading: spec.trading,
    haltAnnotation: object.metadata.annotations?.[ANNOTATION.halt],
    reduceAnnotation: object.metadata.annotations?.[ANNOTATION.reduce],
    resetAnnotation: object.metadata.annotations?.[ANNOTATION.resetBreaker],
    limits: effectiveLimits(spec.limits),
    circuitBreakers: spec.circuitBreakers,
    sizing: effectiveSizing(spec.sizing),
    gas: effectiveGas(spec.gas),
    shownLimits: Object.fromEntries(Object.entries(spec.limits).map(([name, value]) => [name, String(value)])),
    accounts: new Map(spec.accounts.map((account) => [account.name, termsOf(account)])),
  };
}
