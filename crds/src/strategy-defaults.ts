import type { StrategySpec } from "./strategy.ts";

/** When a program decides, resolved to exactly one way. */
export type EffectiveSchedule =
  | { readonly kind: "onBar"; readonly warmupBars: number }
  | { readonly kind: "every"; readonly every: string; readonly warmupBars: number }
  | { readonly kind: "cron"; readonly cron: string; readonly timeZone: string; readonly warmupBars: number };

/** A Strategy's spec with every default filled in. Defaults live here and not in the CRD: stored ones would show up as differences in GitOps. */
export interface EffectiveStrategySpec {
  readonly mode: "Paper" | "Live" | "Backtest";
  readonly suspend: boolean;
  readonly onDelete: "Keep" | "Flatten";
  readonly riskPolicyRef: StrategySpec["riskPolicyRef"];
  readonly llmRouteRef: StrategySpec["llmRouteRef"];
  readonly markets: StrategySpec["markets"];
  readonly schedule: EffectiveSchedule;
  readonly program: StrategySpec["program"];
  readonly resources: { readonly cpus: number; readonly memory: string; readonly pinning: "Exclusive" | "Shared" };
  /** Undefined: an equal part of what no other strategy claims; only the operator, which sees the others, can say how much. */
  readonly shareRatio: string | undefined;
  readonly priority: number;
  readonly alerts: NonNullable<StrategySpec["alerts"]>;
  readonly backtest: StrategySpec["backtest"];
}

export const DEFAULT_WARMUP_BARS = 200;
export const DEFAULT_PRIORITY = 500;

function effectiveSchedule(spec: StrategySpec, warmupBars: number): EffectiveSchedule {
  const { every, cron, timeZone } = spec.schedule ?? {};
  if (every !== undefined) return { kind: "every", every, warmupBars };
  if (cron !== undefined) return { kind: "cron", cron, timeZone: timeZone ?? "UTC", warmupBars };
  return { kind: "onBar", warmupBars };
}

/** Fills in what a Strategy leaves out. */
export function effectiveStrategySpec(spec: StrategySpec): EffectiveStrategySpec {
  const mode = spec.mode ?? "Paper";
  const isBacktest = mode === "Backtest";
  return {
    mode,
    suspend: spec.suspend ?? false,
    onDelete: spec.onDelete ?? "Keep",
    riskPolicyRef: spec.riskPolicyRef,
    llmRouteRef: spec.llmRouteRef,
    markets: spec.markets,
    schedule: effectiveSchedule(spec, spec.schedule?.warmupBars ?? (isBacktest ? 0 : DEFAULT_WARMUP_BARS)),
    program: spec.program,
    resources: {
      cpus: spec.resources?.cpus ?? 1,
      memory: spec.resources?.memory ?? "256Mi",
      pinning: spec.resources?.pinning ?? (isBacktest ? "Shared" : "Exclusive"),
    },
    shareRatio: spec.capital?.shareRatio,
    priority: spec.priority ?? DEFAULT_PRIORITY,
    alerts: spec.alerts ?? [],
    backtest: spec.backtest,
  };
}

/** The effective schedule as `status.schedule` shows it. */
export function scheduleText(schedule: EffectiveSchedule): string {
  switch (schedule.kind) {
    case "onBar":
      return "onBar";
    case "every":
      return `every ${schedule.every}`;
    case "cron":
      return `cron ${schedule.cron} ${schedule.timeZone}`;
  }
}
