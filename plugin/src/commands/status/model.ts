import type { Alert, ControlEvent, DriftEntry, PortfolioView, TradingHold } from "@bellwether/trading/wire";
import type { StoredPolicy, StoredStrategy } from "../../cluster/cluster.ts";
import { type State, holdsOf, nextStep, strictest } from "../holds.ts";
import { nameOf } from "../reset-breaker/plan.ts";

export interface BreakerLine {
  readonly name: string;
  readonly state: "Armed" | "Tripped" | "CoolingDown";
  readonly action: string | undefined;
  /** Epoch milliseconds. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly value: string | undefined;
  readonly threshold: string | undefined;
}

export interface AccountLine {
  readonly name: string;
  readonly ready: boolean;
  readonly message: string;
  readonly equity: string | undefined;
  readonly lastReconciledTime: number | undefined;
  readonly drift: readonly DriftEntry[];
}

export interface StrategyLine {
  readonly name: string;
  readonly mode: string;
  readonly phase: string;
  readonly trading: boolean | undefined;
  readonly reason: string;
  readonly message: string;
  readonly equity: string | undefined;
  readonly pnlPercent: string | undefined;
  readonly workingOrders: number | undefined;
  readonly lastDecisionTime: number | undefined;
}

/** One policy as `status` shows it; also its JSON. Times are epoch milliseconds, money decimal strings. */
export interface PolicyReport {
  readonly name: string;
  readonly state: State;
  readonly currency: string;
  readonly equity: string | undefined;
  readonly drawdownRatio: string | undefined;
  readonly riskScore: number | undefined;
  /** `risk`: of this moment; `status`: what the operator wrote last. */
  readonly figuresFrom: "risk" | "status";
  /** Why risk could not be asked. */
  readonly riskUnreachable: string | undefined;
  readonly holds: readonly (TradingHold & { readonly next: string })[];
  readonly breakers: readonly BreakerLine[];
  readonly accounts: readonly AccountLine[];
  readonly strategies: readonly StrategyLine[];
  readonly controlEvents: readonly ControlEvent[];
  readonly alerts: readonly Alert[];
}

export interface Seen {
  readonly policy: StoredPolicy;
  readonly strategies: readonly StoredStrategy[];
  readonly portfolio: PortfolioView | undefined;
  readonly riskUnreachable: string | undefined;
}

const newestShown = 5;

/** Everything about one policy, from risk where it answered and from status where not. */
export function policyReport({ policy, strategies, portfolio, riskUnreachable }: Seen): PolicyReport {
  const { name } = policy.metadata;
  const status = policy.status ?? {};
  const holds = holdsOf(policy, portfolio);
  const whole = holds.filter(({ scope }) => scope === undefined).map(({ state }) => state);
  return {
    name,
    state: strictest([portfolio?.state ?? status.state ?? "Active", ...whole]),
    currency: policy.spec.baseCurrency,
    equity: portfolio?.equity ?? status.equity,
    drawdownRatio: portfolio?.drawdownRatio ?? status.drawdownRatio,
    riskScore: portfolio?.riskScore ?? status.riskScore,
    figuresFrom: portfolio ? "risk" : "status",
    riskUnreachable,
    holds: holds.map((hold) => ({ ...hold, next: nextStep(hold, name, portfolio?.breakers) })),
    breakers: portfolio?.breakers ? liveBreakers(portfolio) : writtenBreakers(policy),
    accounts: portfolio ? portfolio.accounts.map(liveAccount) : writtenAccounts(policy),
    strategies: strategies
      .filter(({ spec }) => spec.riskPolicyRef.name === name)
      .map((strategy) => strategyLine(strategy, portfolio))
      .sort((left, right) => left.name.localeCompare(right.name)),
    controlEvents: (portfolio?.controlEvents ?? []).slice(-newestShown),
    alerts: (portfolio?.alerts ?? []).slice(-newestShown),
  };
}

function liveBreakers({ breakers = [] }: PortfolioView): BreakerLine[] {
  return breakers.map((breaker) => ({
    name: nameOf(breaker),
    state: breaker.state,
    action: breaker.action,
    since: breaker.since,
    until: breaker.until,
    value: breaker.value,
    threshold: breaker.threshold,
  }));
}

function writtenBreakers({ status, spec }: StoredPolicy): BreakerLine[] {
  return (status?.breakers ?? []).map(({ type, state, since, until, value, threshold }) => ({
    name: type,
    state,
    action: spec.circuitBreakers?.find((breaker) => breaker.type === type)?.action ?? "Halt",
    since: instantOf(since),
    until: instantOf(until),
    value,
    threshold,
  }));
}

function liveAccount({
  name,
  ready,
  message,
  equity,
  lastReconciledTime,
  drift,
}: PortfolioView["accounts"][number]): AccountLine {
  return { name, ready, message, equity, lastReconciledTime, drift };
}

function writtenAccounts({ status, spec }: StoredPolicy): AccountLine[] {
  const written = status?.accounts;
  if (written === undefined) {
    return spec.accounts.map(({ name }) => ({
      name,
      ready: false,
      message: "not reported yet",
      equity: undefined,
      lastReconciledTime: undefined,
      drift: [],
    }));
  }
  return written.map(({ name, ready, message = "", equity, lastReconciledTime, drift = [] }) => ({
    name,
    ready,
    message,
    equity,
    lastReconciledTime: instantOf(lastReconciledTime),
    drift,
  }));
}

function strategyLine({ metadata, spec, status = {} }: StoredStrategy, portfolio: PortfolioView | undefined): StrategyLine {
  const live = portfolio?.strategies.find(({ uid }) => uid === metadata.uid);
  const allowed = status.conditions?.find(({ type }) => type === "TradingAllowed");
  return {
    name: metadata.name,
    mode: status.mode ?? spec.mode ?? "Paper",
    phase: status.phase ?? "Pending",
    trading: live?.trading.allowed ?? (allowed === undefined ? undefined : allowed.status === "True"),
    reason: live?.trading.reason ?? allowed?.reason ?? status.reason ?? "",
    message: live?.trading.message ?? allowed?.message ?? "",
    equity: live?.account.equity ?? status.equity,
    pnlPercent: status.pnlPercent,
    workingOrders: live?.workingOrders,
    lastDecisionTime: live?.lastDecisionTime ?? instantOf(status.lastDecisionTime),
  };
}

function instantOf(time: string | undefined): number | undefined {
  const parsed = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(parsed) ? undefined : parsed;
}
