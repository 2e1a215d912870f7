/** What is known when the venue's dead-man switch is looked at. */
export interface DeadManView {
  readonly nowMs: number;
  /** Wall time of the last arming; undefined: it is off. */
  readonly armedAtMs: number | undefined;
  readonly timeoutMs: number;
  /** Orders that wait to be filled. */
  readonly working: number;
  /** Protective legs that rest at the venue: the switch would cancel them with everything else. */
  readonly protectiveLegs: number;
  readonly riskSilent: boolean;
}

export type DeadManStep = "arm" | "disarm" | "leave";

/** Renewed this often within its time. */
const renewals = 3;

/**
 * Whether to arm the venue's dead-man switch, pure. It ends working orders when this process is gone; armed only while there are some and no
 * protective stop rests there. A silent risk leaves it to run out.
 */
export function deadManStep({ nowMs, armedAtMs, timeoutMs, working, protectiveLegs, riskSilent }: DeadManView): DeadManStep {
  const armed = armedAtMs !== undefined && nowMs - armedAtMs < timeoutMs;
  if (protectiveLegs > 0 || working === 0) return armed ? "disarm" : "leave";
  if (riskSilent) return "leave";
  return !armed || nowMs - armedAtMs >= timeoutMs / renewals ? "arm" : "leave";
}
