import type { TradingHold } from "@bellwether/trading/wire";
import { type Style, oneLine, paint } from "../../render/style.ts";
import { describeHold, nextStep } from "../holds.ts";

/** What came of a resume; also its JSON. */
export interface ResumeReport {
  readonly policy: string;
  readonly dryRun: boolean;
  readonly changed: boolean;
  /** Annotations removed (dry run: to be removed) and what they said. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether the journal held a stop that is cleared (dry run: would be). */
  readonly journal: boolean;
  /** What holds trading all the same. */
  readonly holds: readonly TradingHold[];
}

export function resumeLines({ policy, dryRun, changed, annotations, journal, holds }: ResumeReport, style: Style): string[] {
  const cleared = Object.entries(annotations).map(
    ([name, value]) => `  ${dryRun ? "would clear" : "cleared"}  ${name}: ${oneLine(value)}`,
  );
  if (journal) cleared.push(`  ${dryRun ? "would clear" : "cleared"}  the journal's stop`);
  const title = titleOf({ policy, dryRun, changed }, holds);
  const lines = [paint(style, holds.length === 0 ? "good" : "warn", title), ...cleared];
  if (dryRun && cleared.length === 0) lines.push("  nothing to clear: neither annotation nor journal stops trading");
  for (const hold of holds) {
    lines.push(
      `  ${dryRun ? "would still hold" : "still holds"}  ${oneLine(describeHold(hold))}`,
      `      next  ${nextStep(hold, policy)}`,
    );
  }
  return lines;
}

function titleOf(
  { policy, dryRun, changed }: { policy: string; dryRun: boolean; changed: boolean },
  holds: readonly TradingHold[],
): string {
  if (dryRun) return `riskpolicy/${policy} would be resumed (dry run, nothing changed)`;
  const whole = holds.filter(({ scope }) => scope === undefined);
  if (whole.length > 0) return `riskpolicy/${policy} is not Active: something else holds trading`;
  return changed ? `riskpolicy/${policy} resumed: trading is Active` : `riskpolicy/${policy} was not stopped: trading is Active`;
}
