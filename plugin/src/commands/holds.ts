import { ANNOTATION } from "@bellwether/crds";
import type { BreakerView, PortfolioView, TradingHold } from "@bellwether/trading/wire";
import type { StoredPolicy } from "../cluster/cluster.ts";
import { instant } from "../render/figures.ts";

export type State = "Active" | "Reducing" | "Halted";

const strictness: Readonly<Record<State, number>> = { Active: 0, Reducing: 1, Halted: 2 };

/** The strictest state of all. */
export function strictest(states: readonly State[]): State {
  return states.reduce<State>((worst, state) => (strictness[state] > strictness[worst] ? state : worst), "Active");
}

/** What the object itself says against trading, whether or not risk has seen it yet. */
export function objectHolds({ metadata, spec }: StoredPolicy): TradingHold[] {
  const holds: TradingHold[] = [];
  const [halt, reduce] = [metadata.annotations?.[ANNOTATION.halt], metadata.annotations?.[ANNOTATION.reduce]];
  if (halt !== undefined)
    holds.push({ by: "annotation", state: "Halted", message: `${ANNOTATION.halt}: ${halt || "no reason given"}` });
  if (reduce !== undefined) {
    holds.push({ by: "annotation", state: "Reducing", message: `${ANNOTATION.reduce}: ${reduce || "no reason given"}` });
  }
  if (spec.trading !== undefined && spec.trading !== "Active") {
    holds.push({ by: "policy", state: spec.trading, message: `spec.trading is ${spec.trading}` });
  }
  return holds.map((hold) => ({ ...hold, message: hold.message.slice(0, 500) }));
}

/**
 * Everything that holds trading, the strictest first. Risk's own list counts where there is one; what the object says is added, since risk may be a moment
 * behind; without risk, nothing at all is traded.
 */
export function holdsOf(policy: StoredPolicy, portfolio: PortfolioView | undefined): TradingHold[] {
  const own = objectHolds(policy);
  if (portfolio === undefined) return sorted(own);
  const told = portfolio.holds ?? [];
  const missing = own.filter((hold) => !told.some(({ by, state }) => by === hold.by && state === hold.state));
  if (told.length === 0 && missing.length === 0 && portfolio.state !== "Active") {
    return [{ by: "risk", state: portfolio.state, message: portfolio.reason || "risk gives no reason" }];
  }
  return sorted([...told, ...missing]);
}

function sorted(holds: readonly TradingHold[]): TradingHold[] {
  return holds.toSorted((left, right) => strictness[right.state] - strictness[left.state]);
}

/** What to do about one hold: a command, or what to wait for. */
export function nextStep(hold: TradingHold, policy: string, breakers: readonly BreakerView[] = []): string {
  switch (hold.by) {
    case "annotation":
    case "journal":
      return `kubectl bellwether resume ${policy} --reason "…"`;
    case "policy":
      return `set spec.trading: Active where the RiskPolicy is kept (Git), or: kubectl patch rpol ${policy} --type merge -p '{"spec":{"trading":"Active"}}'`;
    case "breaker": {
      const tripped = breakers.find(
        (breaker) => breaker.state !== "Armed" && sameScope(breaker, hold) && hold.message.includes(breaker.type),
      );
      const until = tripped?.until === undefined ? "" : `arms itself again at ${instant(tripped.until)}; earlier: `;
      return `${until}kubectl bellwether reset-breaker ${tripped?.type ?? "TYPE"} ${policy} --reason "…"`;
    }
    case "drift":
      return `kubectl bellwether adopt ${hold.scope?.account ?? "ACCOUNT"} ${policy} --reason "…" --dry-run`;
    case "venue":
      return "ends by itself when the venue answers with fresh prices";
    case "risk":
      return `kubectl describe rpol ${policy}`;
  }
}

function sameScope({ scope }: BreakerView, hold: TradingHold): boolean {
  return hold.scope === undefined || (scope.account === hold.scope.account && scope.strategy === hold.scope.strategy);
}

/** `Halted by the annotation: …` with the scope in front where it is not the whole policy. */
export function describeHold({ by, state, message, scope }: TradingHold): string {
  const where = scope?.strategy ?? (scope?.account === undefined ? undefined : `account ${scope.account}`);
  return `${where === undefined ? "" : `${where}: `}${state} by the ${by}: ${message}`;
}
