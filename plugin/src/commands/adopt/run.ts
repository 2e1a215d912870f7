import { findPolicy } from "../../cluster/choose-policy.ts";
import { exitCodes } from "../../errors.ts";
import type { Outcome, World } from "../command.ts";
import { driftOf } from "./plan.ts";
import { type AdoptReport, adoptLines } from "./view.ts";

interface AdoptRequest {
  readonly account: string;
  readonly policy: string | undefined;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly confirmed: boolean;
}

/** Shows the drift of an account; with --yes takes the venue's numbers for true, if they are still the ones shown. */
export async function adopt(request: AdoptRequest, { cluster, openRisk }: World): Promise<Outcome> {
  const { account, reason, dryRun, confirmed } = request;
  const [policy, who] = await Promise.all([findPolicy(cluster, request.policy), cluster.whoAmI()]);
  const { name } = policy.metadata;
  const risk = await openRisk(name);
  try {
    const drift = driftOf(await risk.portfolio(), name, account);
    const base = { policy: name, account, dryRun, drift };
    if (drift.length === 0 || dryRun) return outcome({ ...base, changed: false, needsConfirmation: false });
    if (!confirmed) return outcome({ ...base, changed: false, needsConfirmation: true });
    const reply = await risk.adopt({ who, reason, account, seen: [...drift] });
    return outcome({ ...base, changed: reply.changed, needsConfirmation: false, state: reply.state, holds: reply.holds });
  } finally {
    await risk.close();
  }
}

function outcome(report: AdoptReport): Outcome {
  const exitCode = report.needsConfirmation ? exitCodes.failed : exitCodes.ok;
  return { exitCode, document: report, lines: (style) => adoptLines(report, style) };
}
