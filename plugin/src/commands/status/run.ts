import type { PortfolioView } from "@bellwether/trading/wire";
import { choosePolicy } from "../../cluster/choose-policy.ts";
import { PluginError, exitCodes } from "../../errors.ts";
import type { OpenRisk } from "../../risk/risk-api.ts";
import type { Outcome, World } from "../command.ts";
import { policyReport } from "./model.ts";
import { statusLines } from "./view.ts";

/** Asks every policy at once; one that cannot be asked is shown from its status, with the reason. */
export async function status(
  { policy }: { readonly policy: string | undefined },
  { cluster, openRisk, clock }: World,
): Promise<Outcome> {
  const [all, strategies] = await Promise.all([cluster.policies(), cluster.strategies()]);
  const { namespace } = cluster;
  const policies = policy === undefined ? all : [choosePolicy(all, { name: policy, namespace })];
  const reports = await Promise.all(
    policies.map(async (object) => policyReport({ policy: object, strategies, ...(await look(openRisk, object.metadata.name)) })),
  );
  const names = new Set(all.map(({ metadata }) => metadata.name));
  const orphans = strategies
    .filter(({ spec }) => policy === undefined && !names.has(spec.riskPolicyRef.name))
    .map(({ metadata, spec }) => ({ name: metadata.name, policy: spec.riskPolicyRef.name }));
  const document = { namespace, policies: reports, orphans };
  return { exitCode: exitCodes.ok, document, lines: (style) => statusLines({ ...document, nowMs: clock.nowMs() }, style) };
}

async function look(
  openRisk: OpenRisk,
  name: string,
): Promise<{ portfolio: PortfolioView | undefined; riskUnreachable: string | undefined }> {
  try {
    const risk = await openRisk(name);
    try {
      return { portfolio: await risk.portfolio(), riskUnreachable: undefined };
    } finally {
      await risk.close();
    }
  } catch (error) {
    if (error instanceof PluginError) return { portfolio: undefined, riskUnreachable: error.message };
    throw error;
  }
}
