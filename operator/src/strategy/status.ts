/** The status of a Strategy, from its plan and what others know. Pure. */
import { type EffectiveStrategySpec, type StrategyStatus, scheduleText } from "@bellwether/crds";
import { type EventText, rfc3339 } from "@bellwether/kubernetes";
import type { StrategyView } from "@bellwether/trading/wire";
import { type Draft, conditionsOf, firstReason } from "../condition.ts";
import { difference, moneyOf, percentOf, ratioOf } from "../figures.ts";
import type { Assignment } from "../ledger/pinned.ts";
import type { ObservedPod } from "../observed-pod.ts";
import type { Plan } from "./plan.ts";
import type { Holding } from "./references.ts";
import { type RiskWord, pinned, tradingAllowed } from "./trading.ts";

export interface StatusInput {
  readonly generation: number;
  readonly spec: EffectiveStrategySpec;
  readonly previous: StrategyStatus;
  readonly plan: Plan;
  readonly pod: ObservedPod | undefined;
  readonly word: RiskWord;
  readonly assignment: Assignment;
  /** As registered with risk; kept from before while it is not known. */
  readonly registered: { readonly run: number; readonly shareRatio: string } | undefined;
  /** False: money and counters stay as they were written last, they are not due yet. */
  readonly figuresDue: boolean;
  readonly nowMs: number;
}

export function statusOf(input: StatusInput): StrategyStatus {
  const { spec, previous, plan, pod, nowMs, generation } = input;
  const drafts = draftsOf(input);
  const reason = plan.phase === "Completed" ? undefined : firstReason(drafts);
  const isRunning = plan.phase === "Running";
  const status: { [Member in keyof StrategyStatus]: StrategyStatus[Member] | undefined } = {
    observedGeneration: generation,
    phase: plan.phase,
    conditions: conditionsOf(drafts, previous.conditions, { generation, nowMs }),
    reason,
    mode: spec.mode,
    schedule: scheduleText(spec.schedule),
    ...placeOf(input),
    priority: spec.priority,
    resources: spec.resources,
    specHash: plan.specHash ?? previous.specHash,
    node: pod?.node,
    pod: pod?.name,
    cpus: isRunning ? cpusOf(input) : undefined,
    failures: plan.failures > 0 ? plan.failures : undefined,
    lastFailureTime: plan.lastFailureMs === undefined ? undefined : rfc3339(plan.lastFailureMs),
    queuedSince: plan.phase === "Queued" ? (previous.queuedSince ?? rfc3339(nowMs)) : undefined,
    backtest: spec.mode === "Backtest" ? (plan.backtest ?? resultKept(input)) : undefined,
    ...registrationOf(input),
    ...figuresOf(input),
  };
  return defined(status);
}

/** Where its money is; while a position keeps it from moving to another account, still the old one. */
function placeOf({ spec, previous, plan }: StatusInput): Pick<StrategyStatus, "policy" | "account"> {
  const { name, account } = spec.riskPolicyRef;
  if (plan.ready.reason !== "PositionOpen") return { policy: name, account };
  return { policy: previous.policy ?? name, account: previous.account ?? account };
}

/** What it holds and where, by its status. */
export function holdingOf({ policy, account, positions }: StrategyStatus): Holding | undefined {
  if (policy === undefined || account === undefined) return undefined;
  const open = (positions ?? []).filter(({ quantity }) => /[1-9]/.test(quantity));
  return { policy, account, positions: open.map(({ quantity, market }) => `${quantity} ${market}`) };
}

/** A result holds until the backtest is made from something else; being suspended, or waiting, takes nothing away. */
function resultKept({ plan, previous }: StatusInput): StrategyStatus["backtest"] {
  return plan.specHash === undefined || plan.specHash === previous.specHash ? previous.backtest : undefined;
}

function draftsOf({ spec, plan, word, assignment }: StatusInput): Draft[] {
  const isRunning = plan.phase === "Running";
  const pin = pinned(spec.resources, isRunning, assignment);
  const trading = tradingAllowed(spec.mode, plan.phase, word);
  return [plan.ready, plan.admitted, ...(pin ? [pin] : []), ...(trading ? [trading] : [])];
}

/** A node agent that is away for a moment does not take back what the kubelet said before. */
function cpusOf({ assignment, previous }: StatusInput): string | undefined {
  return assignment.known ? assignment.cpus : previous.cpus;
}

function registrationOf({ spec, previous, registered }: StatusInput): Pick<StrategyStatus, "run" | "shareRatio"> {
  if (spec.mode === "Backtest") return {};
  if (registered) return registered;
  const { run, shareRatio } = previous;
  return { ...(run !== undefined && { run }), ...(shareRatio !== undefined && { shareRatio }) };
}

type Figures = Pick<
  StrategyStatus,
  "equity" | "equityRounded" | "pnl" | "pnlPercent" | "positions" | "lastBarTime" | "lastDecisionTime" | "decisions"
>;

const figureNames = [
  "equity",
  "equityRounded",
  "pnl",
  "pnlPercent",
  "positions",
  "lastBarTime",
  "lastDecisionTime",
  "decisions",
] as const satisfies readonly (keyof Figures)[];

function figuresOf({ spec, previous, word, figuresDue }: StatusInput): Figures {
  if (spec.mode === "Backtest") return {};
  if (figuresDue && word.heard && word.view) return liveFigures(word.view);
  return Object.fromEntries(
    figureNames.flatMap((name) => (previous[name] === undefined ? [] : [[name, previous[name]]])),
  ) as Figures;
}

/** Figures as risk has them, and the strings that printer columns need. */
export function liveFigures({ account, lastBarTime, lastDecisionTime, decisions }: StrategyView): Figures {
  const total = difference(account.equity, account.startingCapital);
  const ratio = ratioOf(total, account.startingCapital);
  return {
    equity: account.equity,
    equityRounded: moneyOf(account.equity),
    pnl: { realized: account.realizedPnl, unrealized: account.unrealizedPnl, total, ratio },
    pnlPercent: percentOf(ratio),
    positions: account.positions.map((position) => ({
      market: position.market,
      quantity: position.quantity,
      averagePrice: position.averagePrice,
      markPrice: position.markPrice,
      notional: position.notional,
      unrealizedPnl: position.unrealizedPnl,
    })),
    ...(lastBarTime !== undefined && { lastBarTime: rfc3339(lastBarTime) }),
    ...(lastDecisionTime !== undefined && { lastDecisionTime: rfc3339(lastDecisionTime) }),
    decisions,
  };
}

function defined(value: object): StrategyStatus {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as StrategyStatus;
}

/** What a person wants to find in `kubectl describe`: changes of phase, failures, and trading allowed or not. */
export function transitionEvents(previous: StrategyStatus, next: StrategyStatus): EventText[] {
  const texts: EventText[] = [];
  const ready = conditionIn(next, "Ready");
  const readyBefore = conditionIn(previous, "Ready");
  if (next.phase !== previous.phase || ready?.reason !== readyBefore?.reason || (next.failures ?? 0) > (previous.failures ?? 0)) {
    const isTrouble = next.phase === "Failed" || next.phase === "Pending" || (next.failures ?? 0) > (previous.failures ?? 0);
    const type = isTrouble ? "Warning" : "Normal";
    texts.push({ type, reason: ready?.reason ?? "Changed", action: "Reconcile", note: `${next.phase}: ${ready?.message ?? ""}` });
  }
  const trading = conditionIn(next, "TradingAllowed");
  const tradingBefore = conditionIn(previous, "TradingAllowed");
  if (
    next.phase === "Running" &&
    trading &&
    (trading.status !== tradingBefore?.status || trading.reason !== tradingBefore.reason)
  ) {
    const type = trading.status === "True" ? "Normal" : "Warning";
    texts.push({
      type,
      reason: trading.reason,
      action: "Trade",
      note: `trading ${trading.status === "True" ? "allowed" : "stopped"}: ${trading.message}`,
    });
  }
  const pin = conditionIn(next, "Pinned");
  if (pin && pin.status !== "Unknown" && pin.reason !== conditionIn(previous, "Pinned")?.reason) {
    texts.push({ type: pin.status === "True" ? "Normal" : "Warning", reason: pin.reason, action: "Pin", note: pin.message });
  }
  return texts;
}

const conditionIn = (status: StrategyStatus, type: string) => status.conditions?.find((condition) => condition.type === type);
