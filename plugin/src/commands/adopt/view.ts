import type { DriftEntry, TradingHold } from "@bellwether/trading/wire";
import { difference, exact } from "../../render/figures.ts";
import { type Style, oneLine, paint } from "../../render/style.ts";
import { tableLines } from "../../render/table.ts";
import { type State, describeHold, nextStep } from "../holds.ts";

/** What came of an adopt; also its JSON. */
export interface AdoptReport {
  readonly policy: string;
  readonly account: string;
  readonly dryRun: boolean;
  readonly changed: boolean;
  readonly needsConfirmation: boolean;
  readonly drift: readonly DriftEntry[];
  readonly state?: State;
  readonly holds?: readonly TradingHold[];
}

export function adoptLines(report: AdoptReport, style: Style): string[] {
  const { policy, account, drift, state, holds = [] } = report;
  if (drift.length === 0)
    return [`account ${account} of riskpolicy/${policy}: journal and venue agree, there is nothing to adopt`];
  const lines = [paint(style, "bold", titleOf(report)), ...driftLines(drift, style, 2)];
  if (report.needsConfirmation) {
    lines.push(
      "  nothing changed: the venue's numbers become the journal's only with --yes",
      `  next  kubectl bellwether adopt ${account} ${policy} --reason "…" --yes`,
    );
  }
  if (state !== undefined) lines.push(`  trading is ${paint(style, state === "Active" ? "good" : "warn", state)}`);
  for (const hold of holds) lines.push(`  still holds  ${oneLine(describeHold(hold))}`, `      next  ${nextStep(hold, policy)}`);
  return lines;
}

function titleOf({ policy, account, dryRun, changed, needsConfirmation }: AdoptReport): string {
  const where = `account ${account} of riskpolicy/${policy}`;
  if (dryRun) return `${where}: the venue's balances would be adopted (dry run, nothing changed)`;
  if (needsConfirmation) return `${where}: journal and venue differ`;
  return changed
    ? `${where}: the venue's balances are adopted, the difference is in the sub-account unassigned`
    : `${where}: nothing was left to adopt`;
}

/** Asset by asset what journal and venue say. */
export function driftLines(drift: readonly DriftEntry[], style: Style, indent: number): string[] {
  const columns = [
    { title: "ASSET" },
    { title: "JOURNAL", align: "right" },
    { title: "VENUE", align: "right" },
    { title: "DIFFERENCE", align: "right" },
  ] as const;
  const rows = drift.map(({ asset, journal, venue }) => [asset, exact(journal), exact(venue), difference(venue, journal)]);
  return tableLines({ columns, rows }, style, indent);
}
