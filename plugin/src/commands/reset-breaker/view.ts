import type { BreakerView, TradingHold } from "@bellwether/trading/wire";
import { instant } from "../../render/figures.ts";
import { type Style, oneLine, paint } from "../../render/style.ts";
import { type State, describeHold, nextStep } from "../holds.ts";
import { nameOf } from "./plan.ts";

/** What came of a reset; also its JSON. */
export interface ResetReport {
  readonly policy: string;
  readonly type: string;
  readonly dryRun: boolean;
  readonly changed: boolean;
  /** The tripped ones, as they were before. */
  readonly breakers: readonly BreakerView[];
  readonly state?: State;
  readonly holds?: readonly TradingHold[];
}

export function resetLines({ policy, type, dryRun, changed, breakers, state, holds = [] }: ResetReport, style: Style): string[] {
  if (breakers.length === 0) return [`riskpolicy/${policy}: ${type} is armed, there is nothing to reset`];
  const word = dryRun ? "would be armed again (dry run, nothing changed)" : changed ? "armed again" : "was armed meanwhile";
  const lines = [paint(style, "bold", `riskpolicy/${policy}: ${type} ${word}`)];
  for (const breaker of breakers) {
    const measured =
      breaker.value === undefined
        ? ""
        : `, measured ${breaker.value}${breaker.threshold === undefined ? "" : ` at a threshold of ${breaker.threshold}`}`;
    const since = breaker.since === undefined ? "" : ` since ${instant(breaker.since)}`;
    lines.push(`  ${nameOf(breaker)}: ${breaker.state}${since}${oneLine(measured)}`);
  }
  if (state !== undefined) lines.push(`  trading is ${paint(style, state === "Active" ? "good" : "warn", state)}`);
  for (const hold of holds) lines.push(`  still holds  ${oneLine(describeHold(hold))}`, `      next  ${nextStep(hold, policy)}`);
  return lines;
}
