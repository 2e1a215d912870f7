import { formatDecimal } from "../decimal.ts";
import type { Alert, AlertRule } from "../wire/alerts.ts";
import type { BreakerView, ControlEvent } from "../wire/control.ts";
import type { AlertCondition } from "./alert-book.ts";
import { type StrategyFigures, describeMeasure, measureAlert } from "./strategy-alert.ts";

export interface WatchedStrategy {
  readonly namespace: string;
  readonly name: string;
  readonly alerts: readonly AlertRule[];
  /** Undefined while nothing is known of it: its alerts stay as they are. */
  readonly figures: StrategyFigures | undefined;
}

/** The alerts of one strategy as they stand now. */
export function strategyConditions({ namespace, name, alerts, figures }: WatchedStrategy): AlertCondition[] {
  return alerts.map((rule): AlertCondition => {
    const measure = figures && measureAlert(rule, figures);
    const base = {
      key: `strategy/${namespace}/${name}/${rule.name}`,
      severity: "warning",
      source: { kind: "Strategy", namespace, name },
      name: rule.name,
      threshold: rule.threshold,
    } as const;
    if (!measure) return { ...base, value: undefined, firing: undefined, summary: "" };
    const summary = `strategy ${name}, alert ${rule.name}: ${describeMeasure(rule, measure)}`;
    return { ...base, firing: measure.breached, value: formatDecimal(measure.value), summary };
  });
}

export interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

/** The circuit breakers of a policy as conditions: one that is not armed fires. */
export function breakerConditions(breakers: readonly BreakerView[], policy: PolicyName): AlertCondition[] {
  return breakers.map(({ type, scope, state, action, value, threshold, message }): AlertCondition => {
    const where = scope.strategy ?? (scope.account === undefined ? "" : `account ${scope.account}`);
    const firing = state !== "Armed";
    const measured =
      value === undefined ? "" : `, measured ${value}${threshold === undefined ? "" : ` at a threshold of ${threshold}`}`;
    const what = firing ? `has tripped, action ${action}${measured}` : "is armed again";
    return {
      key: `riskpolicy/${policy.namespace}/${policy.name}/breaker/${[type, where].filter(Boolean).join("/")}`.slice(0, 160),
      severity: "critical",
      source: { kind: "RiskPolicy", ...policy },
      name: type,
      firing,
      value,
      threshold,
      summary: `riskpolicy ${policy.name}${where === "" ? "" : ` (${where})`}: circuit breaker ${type} ${what}${firing && message ? `: ${message}` : ""}`,
    };
  });
}

/** What a person did, for those who were not there. */
export function controlAlert({ id, time, what, who, why, detail }: ControlEvent, policy: PolicyName): Alert {
  const key = `riskpolicy/${policy.namespace}/${policy.name}/control`;
  return {
    id: `${key}#${id}/firing`.slice(0, 200),
    key,
    state: "firing",
    severity: what === "Halt" ? "critical" : "info",
    source: { kind: "RiskPolicy", ...policy },
    name: what,
    summary: `riskpolicy ${policy.name}: ${what} by ${who}: ${why}${detail === "" ? "" : ` (${detail})`}`.slice(0, 500),
    time,
  };
}
