import { ANNOTATION } from "@bellwether/crds";
import type { StoredPolicy } from "../../cluster/cluster.ts";

export interface StopWish {
  readonly to: "Halted" | "Reducing";
  readonly who: string;
  readonly reason: string | undefined;
  readonly nowMs: number;
}

export interface StopPlan {
  readonly annotation: string;
  /** What stands or will stand there. */
  readonly value: string;
  /** False: a stop of this kind stands already and keeps its first reason. */
  readonly changes: boolean;
  /** The reason in the journal. */
  readonly reason: string;
}

/**
 * The annotation that stops a policy. It carries who and when, because anybody may have to find that out with nothing but kubectl at hand.
 */
export function planStop({ metadata }: StoredPolicy, { to, who, reason, nowMs }: StopWish): StopPlan {
  const annotation = to === "Halted" ? ANNOTATION.halt : ANNOTATION.reduce;
  const why = reason ?? "no reason given";
  const standing = metadata.annotations?.[annotation];
  if (standing !== undefined) return { annotation, value: standing, changes: false, reason: why };
  const time = new Date(nowMs).toISOString().slice(0, 19);
  return { annotation, value: `${why} (by ${who} at ${time}Z)`, changes: true, reason: why };
}
