import type { Metrics } from "@bellwether/service-kit";
import type { World } from "./world.ts";

/** What there is, counted when it is asked for. Once a process: a lease that comes back must not register anything twice. */
export function observeWorld(metrics: Metrics, world: Pick<World, "strategies" | "policies">): void {
  const phases = metrics.gauge("bellwether_strategies", { help: "Strategies by phase.", labels: ["phase"] });
  const policies = metrics.gauge("bellwether_risk_policies", { help: "RiskPolicies by trading state.", labels: ["state"] });
  Object.assign(phases, {
    collect: () => {
      phases.reset();
      for (const { status } of world.strategies.cache.list()) phases.inc({ phase: status?.phase ?? "Pending" });
    },
  });
  Object.assign(policies, {
    collect: () => {
      policies.reset();
      for (const { status } of world.policies.cache.list()) policies.inc({ state: status?.state ?? "Unknown" });
    },
  });
}
