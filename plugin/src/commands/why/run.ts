import type { IntentReply } from "@bellwether/trading/wire";
import { choosePolicy } from "../../cluster/choose-policy.ts";
import { PluginError, exitCodes } from "../../errors.ts";
import type { OpenRisk } from "../../risk/risk-api.ts";
import type { Outcome, World } from "../command.ts";
import { policiesToAsk } from "./plan.ts";
import { whyLines } from "./view.ts";

/** Asks the policies that may know the intent until one does. */
export async function why(
  { intent, policy }: { readonly intent: string; readonly policy: string | undefined },
  { cluster, openRisk }: World,
): Promise<Outcome> {
  const { namespace } = cluster;
  const policies = await cluster.policies();
  const candidates =
    policy === undefined
      ? policiesToAsk(intent, { policies, strategies: await cluster.strategies() })
      : [choosePolicy(policies, { name: policy, namespace }).metadata.name];
  const unreachable: PluginError[] = [];
  for (const name of candidates) {
    const found = await ask(openRisk, { name, intent, unreachable });
    if (found)
      return { exitCode: exitCodes.ok, document: { policy: name, ...found }, lines: (style) => whyLines(found, name, style) };
  }
  // A policy that could not be asked may know it: "not found" would be a guess.
  if (unreachable[0]) throw unreachable[0];
  const asked = candidates.length === 0 ? `namespace ${namespace} has no RiskPolicy` : `asked: ${candidates.join(", ")}`;
  throw new PluginError("INTENT_NOT_FOUND", `no journal knows an intent or order '${intent}'; ${asked}`, {
    next: "kubectl bellwether orders -o json shows intent ids and client order ids",
  });
}

async function ask(
  openRisk: OpenRisk,
  { name, intent, unreachable }: { name: string; intent: string; unreachable: PluginError[] },
): Promise<IntentReply | undefined> {
  try {
    const risk = await openRisk(name);
    try {
      return await risk.intent(intent);
    } finally {
      await risk.close();
    }
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    if (error.code === "INTENT_NOT_FOUND") return undefined;
    if (error.code !== "RISK_UNREACHABLE") throw error;
    unreachable.push(error);
    return undefined;
  }
}
