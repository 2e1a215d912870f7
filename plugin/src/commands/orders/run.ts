import { findPolicy, policyOfStrategy } from "../../cluster/choose-policy.ts";
import { exitCodes } from "../../errors.ts";
import type { Outcome, World } from "../command.ts";
import { orderLines } from "./view.ts";

interface OrdersRequest {
  readonly strategy: string | undefined;
  readonly policy: string | undefined;
  readonly openOnly: boolean;
  readonly limit: number;
}

/** Orders as the journal has them. A strategy's name leads to its policy; one that is deleted already needs --policy. */
export async function orders(
  { strategy, policy, openOnly, limit }: OrdersRequest,
  { cluster, openRisk, clock }: World,
): Promise<Outcome> {
  const { namespace } = cluster;
  const wanted =
    policy ?? (strategy === undefined ? undefined : policyOfStrategy(await cluster.strategies(), { name: strategy, namespace }));
  const { name } = (await findPolicy(cluster, wanted)).metadata;
  const risk = await openRisk(name);
  try {
    const reply = await risk.orders({ strategy, openOnly, limit });
    const about = { policy: name, strategy, openOnly, nowMs: clock.nowMs() };
    return { exitCode: exitCodes.ok, document: { policy: name, ...reply }, lines: (style) => orderLines(reply, about, style) };
  } finally {
    await risk.close();
  }
}
