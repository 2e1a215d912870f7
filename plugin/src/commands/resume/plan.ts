import { ANNOTATION } from "@bellwether/crds";
import type { TradingHold } from "@bellwether/trading/wire";
import type { StoredPolicy } from "../../cluster/cluster.ts";

/** The stopping annotations that an object carries. */
export function stopsOf({ metadata }: StoredPolicy): Readonly<Record<string, string>> {
  const stops: Record<string, string> = {};
  for (const name of [ANNOTATION.halt, ANNOTATION.reduce]) {
    const value = metadata.annotations?.[name];
    if (value !== undefined) stops[name] = value;
  }
  return stops;
}

export interface ResumePlan {
  /** What is cleared, as it stood when the person decided. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly journal: boolean;
  /** What will hold trading all the same. */
  readonly remaining: readonly TradingHold[];
}

/** What a resume clears, and what not. */
export function planResume(policy: StoredPolicy, holds: readonly TradingHold[]): ResumePlan {
  return {
    annotations: stopsOf(policy),
    journal: holds.some(({ by }) => by === "journal"),
    remaining: holds.filter(({ by }) => by !== "annotation" && by !== "journal"),
  };
}

/** The annotations still there that were seen: all of them or the name of one that is another now. */
export function stillTheSame(
  seen: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): { changed: string | undefined } {
  return { changed: Object.keys(now).find((name) => now[name] !== seen[name]) };
}
