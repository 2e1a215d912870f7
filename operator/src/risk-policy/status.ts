/** The status of a RiskPolicy, from its plan and risk's portfolio. Pure. */
import { type RiskPolicy, type RiskPolicyStatus, effectiveRiskPolicySpec } from "@bellwether/crds";
import { type EventText, rfc3339 } from "@bellwether/kubernetes";
import type { PortfolioView } from "@bellwether/trading/wire";
import { conditionsOf } from "../condition.ts";
import { moneyOf, percentOf } from "../figures.ts";
import { breakerStatuses, trippedText } from "./breakers.ts";
import type { Plan, PortfolioWord } from "./plan.ts";

export interface StatusInput {
  readonly policy: RiskPolicy;
  readonly plan: Plan;
  readonly word: PortfolioWord;
  /** False: money stays as it was written last, it is not due yet. */
  readonly figuresDue: boolean;
  readonly nowMs: number;
}

/** A time that moves with every look at the venue is no news by itself; it is written again when it has become this old. */
const reconciledResolutionMs = 600_000;

type Figures = Pick<
  RiskPolicyStatus,
  "riskScore" | "equity" | "equityRounded" | "drawdownRatio" | "drawdownPercent" | "exposure"
>;
const figureNames = [
  "riskScore",
  "equity",
  "equityRounded",
  "drawdownRatio",
  "drawdownPercent",
  "exposure",
] as const satisfies readonly (keyof Figures)[];

export function statusOf({ policy, plan, word, figuresDue, nowMs }: StatusInput): RiskPolicyStatus {
  const previous = policy.status ?? {};
  const generation = policy.metadata.generation ?? 0;
  const view = word.heard ? word.view : undefined;
  const { limits } = effectiveRiskPolicySpec(policy.spec);
  const figures = view && hasOpened(view) && (figuresDue || previous.equity === undefined) ? liveFigures(view) : kept(previous);
  const breakers = view?.breakers
    ? breakerStatuses(view.breakers, { previous: previous.breakers, figuresDue })
    : previous.breakers;
  const status: { [Member in keyof RiskPolicyStatus]: RiskPolicyStatus[Member] | undefined } = {
    observedGeneration: generation,
    conditions: conditionsOf(plan.conditions, previous.conditions, { generation, nowMs }),
    // Trading state and its reason are news at once, money is not.
    state: view?.state ?? previous.state,
    reason: view?.reason ?? previous.reason,
    limits: { ...limits },
    ...figures,
    breakers,
    tripped: breakers && trippedText(breakers),
    accounts: view ? accountsOf(view, previous, figuresDue) : previous.accounts?.map((account) => ({ ...account, ready: false })),
  };
  return Object.fromEntries(Object.entries(status).filter(([, member]) => member !== undefined));
}

/** Before that there is no equity that could be 0.00, and the first that is told stands for a while. */
function hasOpened({ accounts }: PortfolioView): boolean {
  return accounts.length === 0 || accounts.some(({ opened }) => opened !== false);
}

function kept(previous: RiskPolicyStatus): Figures {
  return Object.fromEntries(figureNames.flatMap((name) => (previous[name] === undefined ? [] : [[name, previous[name]]])));
}

function liveFigures(view: PortfolioView): Figures {
  return {
    riskScore: view.riskScore,
    equity: view.equity,
    equityRounded: moneyOf(view.equity),
    drawdownRatio: view.drawdownRatio,
    drawdownPercent: percentOf(view.drawdownRatio),
    exposure: view.exposure.map(({ asset, notional, ratio }) => ({ asset, notional, ratio })),
  };
}

function accountsOf(
  view: PortfolioView,
  previous: RiskPolicyStatus,
  figuresDue: boolean,
): NonNullable<RiskPolicyStatus["accounts"]> {
  return view.accounts.map(({ name, ready, message, opened, equity, lastReconciledTime, drift }) => {
    const before = previous.accounts?.find((account) => account.name === name);
    const reconciled = reconciledTime(lastReconciledTime, before?.lastReconciledTime);
    return {
      name,
      ready,
      ...(message !== "" && { message }),
      ...(opened !== false && { equity: figuresDue || before?.equity === undefined ? equity : before.equity }),
      ...(reconciled !== undefined && { lastReconciledTime: reconciled }),
      ...(drift.length > 0 && { drift: drift.map((entry) => ({ ...entry })) }),
    };
  });
}

function reconciledTime(nowMs: number | undefined, before: string | undefined): string | undefined {
  if (nowMs === undefined) return before;
  if (before !== undefined && nowMs - Date.parse(before) < reconciledResolutionMs) return before;
  return rfc3339(nowMs);
}

/** What people did to the policy and what was worth telling, as risk lists it: an event each, told once whoever restarts. */
export function happenings({ controlEvents = [], alerts = [] }: PortfolioView): EventText[] {
  return [
    ...controlEvents.map(({ id, time, what, who, why, detail }): EventText => {
      const type = what === "Resume" || what === "ResetBreaker" ? "Normal" : "Warning";
      return { type, reason: `TradingControl${what}`, action: what, note: `${who}: ${why}. ${detail}`, once: { id, atMs: time } };
    }),
    ...alerts.map(({ id, time, state, severity, source, name, summary }): EventText => {
      const type = state === "firing" && severity !== "info" ? "Warning" : "Normal";
      const reason = state === "firing" ? "AlertFiring" : "AlertResolved";
      const about = source.kind === "Strategy" ? `strategy ${source.name}, ${name}` : name;
      return { type, reason, action: "Watch", note: `${about}: ${summary}`, once: { id: `${id}/${state}`, atMs: time } };
    }),
  ];
}

/** Changes that a person wants to find in `kubectl describe`. */
export function transitionEvents(previous: RiskPolicyStatus, next: RiskPolicyStatus): EventText[] {
  const texts: EventText[] = [];
  const ready = next.conditions?.find(({ type }) => type === "Ready");
  const before = previous.conditions?.find(({ type }) => type === "Ready");
  if (ready && (ready.status !== before?.status || ready.reason !== before.reason)) {
    texts.push({
      type: ready.status === "True" ? "Normal" : "Warning",
      reason: ready.reason,
      action: "Reconcile",
      note: ready.message,
    });
  }
  if (next.state !== undefined && next.state !== previous.state) {
    const note = `trading is ${next.state}: ${next.reason ?? ""}`;
    texts.push({ type: next.state === "Active" ? "Normal" : "Warning", reason: `Trading${next.state}`, action: "Trade", note });
  }
  return texts;
}
