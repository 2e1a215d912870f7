/** Circuit breakers as risk holds them, one for each account or strategy, as the one line a type that status has room for. Pure. */
import type { RiskPolicyStatus } from "@bellwether/crds";
import { rfc3339 } from "@bellwether/kubernetes";
import type { BreakerView } from "@bellwether/trading/wire";

export type BreakerStatus = NonNullable<RiskPolicyStatus["breakers"]>[number];

const severity: Readonly<Record<BreakerView["state"], number>> = { Tripped: 2, CoolingDown: 1, Armed: 0 };

/**
 * By type, in the order in which risk names them: of several the one in the worst state, then the one tripped longest.
 * @param previous what was written last; its measured values stay while figures are not due
 */
export function breakerStatuses(
  views: readonly BreakerView[],
  { previous, figuresDue }: { previous: readonly BreakerStatus[] | undefined; figuresDue: boolean },
): BreakerStatus[] {
  const worst = new Map<string, BreakerView>();
  for (const view of views) {
    const known = worst.get(view.type);
    if (!known || isWorse(view, known)) worst.set(view.type, view);
  }
  return [...worst.values()].map((view) => {
    const before = previous?.find(({ type, state }) => type === view.type && state === view.state);
    return statusOf(view, figuresDue || !before ? view.value : before.value);
  });
}

/** `tripped of all`, for the table. */
export function trippedText(breakers: readonly BreakerStatus[]): string {
  return `${breakers.filter(({ state }) => state !== "Armed").length}/${breakers.length}`;
}

function isWorse(view: BreakerView, than: BreakerView): boolean {
  if (severity[view.state] !== severity[than.state]) return severity[view.state] > severity[than.state];
  return view.state !== "Armed" && (view.since ?? 0) < (than.since ?? 0);
}

function statusOf({ type, scope, state, since, until, threshold }: BreakerView, value: string | undefined): BreakerStatus {
  const where = [scope.account && `account ${scope.account}`, scope.strategy && `strategy ${scope.strategy}`].filter(Boolean);
  return {
    type,
    ...(where.length > 0 && { scope: where.join(", ") }),
    state,
    ...(since !== undefined && { since: rfc3339(since) }),
    ...(until !== undefined && { until: rfc3339(until) }),
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
  };
}
