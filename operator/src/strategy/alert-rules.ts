import { type StrategySpec, durationMs } from "@bellwether/crds";
import type { StrategyRegistration } from "@bellwether/trading/wire";

/** A strategy's alerts as risk takes them: durations in milliseconds; nothing where there are none. */
export function alertRules({ alerts = [] }: Pick<StrategySpec, "alerts">): Pick<StrategyRegistration, "alerts"> {
  if (alerts.length === 0) return {};
  const inMs = (threshold: string): string => (/[a-z]/.test(threshold) ? String(durationMs(threshold)) : threshold);
  return { alerts: alerts.map(({ name, metric, threshold }) => ({ name, metric, threshold: inMs(threshold) })) };
}
