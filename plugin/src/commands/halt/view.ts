import type { TradingHold } from "@bellwether/trading/wire";
import type { PluginError } from "../../errors.ts";
import { type Style, oneLine, paint } from "../../render/style.ts";

/** What came of a halt or a reduce; also its JSON. */
export interface StopReport {
  readonly policy: string;
  readonly action: "halt" | "reduce";
  readonly dryRun: boolean;
  readonly changed: boolean;
  readonly annotation: { readonly name: string; readonly value: string; readonly changed: boolean; readonly error?: string };
  readonly journal: { readonly recorded: boolean; readonly error?: string };
  /** As risk says; absent where it could not be asked. */
  readonly state?: "Active" | "Reducing" | "Halted";
  readonly holds?: readonly TradingHold[];
  readonly workingOrders?: number;
}

interface Stops {
  readonly reports: readonly StopReport[];
  readonly failed: readonly PluginError[];
  readonly namespace: string;
}

/** What failed comes first: nobody may overlook that something still trades. */
export function allLines({ reports, failed, namespace }: Stops, style: Style): string[] {
  if (reports.length + failed.length === 0) return [`namespace ${namespace} has no RiskPolicy: there is nothing to stop`];
  const faults = failed.flatMap(({ message, next }) => [
    paint(style, "bad", oneLine(message)),
    ...(next === undefined ? [] : [`  next        ${next}`]),
  ]);
  return [...faults, ...reports.flatMap((report) => stopLines(report, style))];
}

function stopLines(report: StopReport, style: Style): string[] {
  const { policy, action, dryRun, annotation, journal, state, workingOrders } = report;
  const word = action === "halt" ? "halted" : "reducing";
  const title = dryRun ? `riskpolicy/${policy} would be ${word} (dry run, nothing changed)` : `riskpolicy/${policy} ${word}`;
  const lines = [paint(style, "bold", title), `  annotation  ${annotationText(annotation, dryRun)}`];
  if (dryRun) return [...lines, "  journal     would be written by risk"];
  lines.push(
    `  journal     ${journal.recorded ? "recorded" : paint(style, "warn", `not recorded: ${oneLine(journal.error ?? "")}`)}`,
  );
  if (annotation.error !== undefined) {
    lines.push(paint(style, "warn", "  The journal alone holds it. Set the annotation, too, when the API server takes it."));
  } else if (!journal.recorded) {
    lines.push(
      "  The annotation alone holds it: risk acts on it within a second of seeing it, and without risk no order is approved.",
    );
  }
  if (state !== undefined) lines.push(`  trading     ${paint(style, state === "Active" ? "bad" : "good", state)}`);
  if (workingOrders !== undefined && action === "halt")
    lines.push(`  working     ${workingOrders} orders: entries are cancelled, protective stops stay`);
  return [...lines, `  next        kubectl bellwether resume ${policy} --reason "…"`];
}

function annotationText({ name, value, changed, error }: StopReport["annotation"], dryRun: boolean): string {
  if (error !== undefined) return `not set: ${oneLine(error)}`;
  if (!changed) return `${name} stands already: ${oneLine(value)}`;
  return `${name}: ${oneLine(value)}${dryRun ? " (accepted by the API server's dry run)" : ""}`;
}
