import type { Database } from "@bellwether/postgres";
import type { Check, Clock } from "@bellwether/service-kit";
import type { BudgetKeeper } from "./answering/budget-keeper.ts";
import type { RouteModel } from "./answering/route-model.ts";
import type { Templates } from "./templates/templates.ts";
import type { RedisStore } from "./store/redis-store.ts";
import type { CallersFile } from "./tenants/callers-file.ts";

export interface HealthParts {
  readonly models: readonly RouteModel[];
  readonly templates: Templates;
  readonly budget: BudgetKeeper | undefined;
  readonly redis: RedisStore | undefined;
  readonly database: Database | undefined;
  /** Undefined: outside a cluster. */
  readonly callers: CallersFile | undefined;
  readonly clock: Clock;
}

interface GatewayChecks {
  live(): readonly Check[];
  ready(): readonly Check[];
  dependencies(): readonly Check[];
}

/**
 * Nothing here is mended by a restart, and a gateway without Redis, Postgres or a provider still answers for what is left: all of them are dependencies.
 * Ready is what can answer at all: a route whose every model is left alone, or whose ledger is away with no model that costs nothing, is not.
 */
export function gatewayChecks({ models, templates, budget, redis, database, callers, clock }: HealthParts): GatewayChecks {
  const startedMs = clock.nowMs();
  const check = (name: string, { ok, message }: { ok: boolean; message: string }): Check => ({
    name,
    ok,
    message,
    sinceMs: startedMs,
  });
  const modelCheck = ({ name, breaker }: RouteModel): Check => {
    const ok = breaker.state === "Closed";
    return check(`model ${name}`, {
      ok,
      message: ok ? "answers" : `left alone: ${breaker.lastFailure?.message ?? "it failed too often"}`,
    });
  };
  const budgetCheck = (): Check[] => {
    if (!budget) return [];
    const { fault } = budget;
    return [check("budget ledger", { ok: fault === undefined, message: fault ?? "answers" })];
  };
  const callersCheck = (): Check[] => {
    const fault = callers?.fault();
    return callers ? [check("list of callers", { ok: fault === undefined, message: fault ?? "read" })] : [];
  };
  const usable = (model: RouteModel): boolean => model.breaker.state !== "Open" && (!model.paid || budget?.fault === undefined);
  return {
    live: () => [],
    ready: () => {
      const some = models.some(usable);
      return [check("models", { ok: some, message: some ? "one or more can be asked" : "none can be asked" })];
    },
    dependencies: () => [
      ...models.map(modelCheck),
      ...templates.faults.map(({ template, message }) =>
        check(`template ${template}`, { ok: false, message: `never used: ${message}` }),
      ),
      ...callersCheck(),
      ...budgetCheck(),
      ...(redis ? [redis.check()] : []),
      ...(database ? [database.check()] : []),
    ],
  };
}
