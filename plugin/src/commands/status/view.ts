import { ago, instant, money, percent } from "../../render/figures.ts";
import { type Style, type Tone, oneLine, paint } from "../../render/style.ts";
import { type Column, cut, tableLines } from "../../render/table.ts";
import { driftLines } from "../adopt/view.ts";
import { type State, describeHold } from "../holds.ts";
import type { AccountLine, BreakerLine, PolicyReport, StrategyLine } from "./model.ts";

interface StatusReport {
  readonly namespace: string;
  readonly policies: readonly PolicyReport[];
  readonly orphans: readonly { readonly name: string; readonly policy: string }[];
  readonly nowMs: number;
}

const stateTones: Readonly<Record<State, Tone>> = { Active: "good", Reducing: "warn", Halted: "bad" };

/** One screen: what holds trading and what to do about it first, figures after. */
export function statusLines({ namespace, policies, orphans, nowMs }: StatusReport, style: Style): string[] {
  const lines = policies.flatMap((policy, index) => [...(index === 0 ? [] : [""]), ...policyLines(policy, nowMs, style)]);
  for (const { name, policy } of orphans) {
    lines.push(paint(style, "bad", `strategy/${name} names riskpolicy/${policy}, which does not exist: it cannot trade`));
  }
  return lines.length > 0 ? lines : [`namespace ${namespace} has neither RiskPolicies nor Strategies`];
}

function policyLines(policy: PolicyReport, nowMs: number, style: Style): string[] {
  return [
    headLine(policy, style),
    ...holdLines(policy, style),
    ...(policy.breakers.length === 0
      ? []
      : tableLines({ columns: breakerColumns, rows: policy.breakers.map(breakerRow) }, style, 2)),
    ...tableLines({ columns: accountColumns, rows: policy.accounts.map((account) => accountRow(account, nowMs)) }, style, 2),
    ...policy.accounts.flatMap(({ drift }) => (drift.length === 0 ? [] : driftLines(drift, style, 4))),
    ...(policy.strategies.length === 0
      ? ["  no strategies"]
      : tableLines({ columns: strategyColumns, rows: policy.strategies.map(strategyRow) }, style, 2)),
    ...newsLines(policy, nowMs, style),
  ];
}

function headLine({ name, state, riskScore, equity, currency, drawdownRatio }: PolicyReport, style: Style): string {
  const figures = [
    ...(equity === undefined ? [] : [`equity ${money(equity)} ${currency}`]),
    ...(drawdownRatio === undefined ? [] : [`drawdown ${percent(drawdownRatio)}`]),
    ...(riskScore === undefined ? [] : [`score ${riskScore}/100`]),
  ];
  return [paint(style, "bold", `riskpolicy/${name}`), paint(style, stateTones[state], state), ...figures].join("  ");
}

function holdLines({ holds, riskUnreachable, figuresFrom }: PolicyReport, style: Style): string[] {
  const lines: string[] = [];
  const width = style.columns - 2;
  if (riskUnreachable !== undefined) {
    lines.push(paint(style, "warn", cut(`  risk could not be asked: ${oneLine(riskUnreachable)}`, style.columns)));
    if (figuresFrom === "status") lines.push("  figures below are those the operator wrote last");
  }
  for (const hold of holds) {
    lines.push(`  ${paint(style, stateTones[hold.state], cut(oneLine(describeHold(hold)), width))}`, `      next: ${hold.next}`);
  }
  return lines;
}

const breakerColumns: readonly Column[] = [
  { title: "BREAKER", least: 12 },
  { title: "STATE" },
  { title: "ACTION" },
  { title: "VALUE", align: "right", least: 6 },
  { title: "THRESHOLD", align: "right", least: 6 },
  { title: "SINCE", least: 11 },
  { title: "UNTIL", least: 11 },
];

function breakerRow({ name, state, action, value, threshold, since, until }: BreakerLine) {
  const tone: Tone = state === "Armed" ? "good" : state === "Tripped" ? "bad" : "warn";
  return [name, { text: state, tone }, action ?? "", value ?? "", threshold ?? "", instant(since), instant(until)];
}

const accountColumns: readonly Column[] = [
  { title: "ACCOUNT" },
  { title: "READY" },
  { title: "EQUITY", align: "right" },
  { title: "RECONCILED", align: "right" },
  { title: "DRIFT" },
  { title: "MESSAGE", least: 20 },
];

function accountRow({ name, ready, equity, lastReconciledTime, drift, message }: AccountLine, nowMs: number) {
  const differs = drift.length === 0 ? "none" : `${drift.length} asset${drift.length === 1 ? "" : "s"}`;
  return [
    name,
    { text: ready ? "yes" : "no", tone: ready ? "good" : "bad" } as const,
    money(equity),
    lastReconciledTime === undefined ? "never" : `${ago(lastReconciledTime, nowMs)} ago`,
    { text: differs, tone: drift.length === 0 ? "plain" : "bad" } as const,
    message,
  ];
}

const strategyColumns: readonly Column[] = [
  { title: "STRATEGY", least: 12 },
  { title: "MODE" },
  { title: "PHASE" },
  { title: "TRADING" },
  { title: "EQUITY", align: "right" },
  { title: "PNL%", align: "right" },
  { title: "ORDERS", align: "right" },
  { title: "WHY", least: 12 },
];

function strategyRow({ name, mode, phase, trading, equity, pnlPercent, workingOrders, reason, message }: StrategyLine) {
  const tone: Tone = trading === true ? "good" : trading === false ? "bad" : "dim";
  const why = trading === true ? "" : [reason, message].filter((part) => part !== "").join(": ");
  return [
    name,
    mode,
    phase,
    { text: trading === undefined ? "?" : trading ? "yes" : "no", tone },
    money(equity),
    pnlPercent ?? "",
    workingOrders === undefined ? "" : String(workingOrders),
    why,
  ];
}

function newsLines({ controlEvents, alerts }: PolicyReport, nowMs: number, style: Style): string[] {
  const news = [
    ...controlEvents.map(({ time, what, who, why }) => ({ time, text: `${what} by ${who}: ${why}` })),
    ...alerts.map(({ time, state, summary }) => ({ time, text: state === "firing" ? summary : `over: ${summary}` })),
  ].sort((left, right) => right.time - left.time);
  return news
    .slice(0, 5)
    .map(({ time, text }) => paint(style, "dim", cut(`  ${ago(time, nowMs).padStart(4)} ago  ${oneLine(text)}`, style.columns)));
}
