import type { BreakerType } from "@bellwether/crds";
import { findPolicy } from "../../cluster/choose-policy.ts";
import { exitCodes } from "../../errors.ts";
import type { Outcome, World } from "../command.ts";
import { planReset } from "./plan.ts";
import { type ResetReport, resetLines } from "./view.ts";

interface ResetRequest {
  readonly type: BreakerType;
  readonly policy: string | undefined;
  readonly account: string | undefined;
  readonly strategy: string | undefined;
  readonly reason: string;
  readonly dryRun: boolean;
}

/** Arms tripped breakers of a type again. One that is armed already is no fault. */
export async function resetBreaker(request: ResetRequest, { cluster, openRisk }: World): Promise<Outcome> {
  const { type, account, strategy, reason, dryRun } = request;
  const [policy, who] = await Promise.all([findPolicy(cluster, request.policy), cluster.whoAmI()]);
  const { name } = policy.metadata;
  const risk = await openRisk(name);
  try {
    const { toReset } = planReset(await risk.portfolio(), name, { type, account, strategy });
    const base = { policy: name, type, dryRun, breakers: toReset };
    if (dryRun || toReset.length === 0) return outcome({ ...base, changed: false });
    const scope = { ...(account !== undefined && { account }), ...(strategy !== undefined && { strategy }) };
    const reply = await risk.resetBreaker({ who, reason, type, ...scope });
    return outcome({ ...base, changed: reply.changed, state: reply.state, holds: reply.holds });
  } finally {
    await risk.close();
  }
}

function outcome(report: ResetReport): Outcome {
  return { exitCode: exitCodes.ok, document: report, lines: (style) => resetLines(report, style) };
}
