import { type ControlReply } from "@bellwether/trading/wire";
import { findPolicy } from "../../cluster/choose-policy.ts";
import type { StoredPolicy } from "../../cluster/cluster.ts";
import { PluginError, exitCodes } from "../../errors.ts";
import type { Outcome, World } from "../command.ts";
import { type StopPlan, planStop } from "./plan.ts";
import { type StopReport, allLines } from "./view.ts";

interface HaltRequest {
  readonly command: "halt" | "reduce";
  readonly policy: string | undefined;
  /** Every policy of the namespace. */
  readonly all: boolean;
  readonly reason: string | undefined;
  readonly dryRun: boolean;
}

/** Stops the policy that is meant, or all of them side by side: one that fails keeps no other from being stopped. */
export async function halt(request: HaltRequest, world: World): Promise<Outcome> {
  const { cluster } = world;
  const [policies, who] = await Promise.all([
    request.all ? cluster.policies() : findPolicy(cluster, request.policy).then((policy) => [policy]),
    cluster.whoAmI(),
  ]);
  const stops = await Promise.all(policies.map((policy) => attempt(() => stop(policy, { request, who }, world))));
  const failed = stops.flatMap(({ error }) => (error ? [error] : []));
  const [first] = failed;
  if (first && policies.length === 1) throw first;
  const reports = stops.flatMap(({ value }) => (value ? [value] : []));
  return {
    exitCode: failed.length === 0 ? exitCodes.ok : exitCodes.failed,
    document: request.all ? { policies: reports, failed: failed.map(({ message }) => message) } : reports[0],
    lines: (style) => allLines({ reports, failed, namespace: cluster.namespace }, style),
  };
}

/**
 * Stops one policy by both ways there are: the annotation, which needs nothing but the API server, and the journal, which no GitOps tool reaches. One of them is
 * enough to stop trading, so that one which fails is a warning, and only both are a failure.
 */
async function stop(
  policy: StoredPolicy,
  { request, who }: { request: HaltRequest; who: string },
  { cluster, openRisk, clock }: World,
): Promise<StopReport> {
  const { name } = policy.metadata;
  const to = request.command === "halt" ? "Halted" : "Reducing";
  const plan = planStop(policy, { to, who, reason: request.reason, nowMs: clock.nowMs() });
  const annotated = await attempt(() => annotate(plan));
  const journalled = request.dryRun ? undefined : await attempt(() => record());
  if (annotated.error && (journalled === undefined || journalled.error))
    throw bothFailed(name, annotated.error, journalled?.error);
  const reply = journalled?.value;
  return {
    policy: name,
    action: request.command,
    dryRun: request.dryRun,
    changed: (annotated.error === undefined && plan.changes) || reply?.changed === true,
    annotation: {
      name: plan.annotation,
      value: plan.value,
      changed: plan.changes,
      ...(annotated.error && { error: annotated.error.message }),
    },
    journal: journalOf(journalled),
    ...(reply && { state: reply.state, holds: reply.holds, workingOrders: reply.workingOrders }),
  };

  async function annotate({ annotation, value, changes }: StopPlan): Promise<void> {
    if (changes) await cluster.annotate(name, { annotations: { [annotation]: value }, dryRun: request.dryRun });
  }

  async function record(): Promise<ControlReply> {
    const risk = await openRisk(name);
    try {
      return await risk.halt({ who, reason: plan.reason, state: to });
    } finally {
      await risk.close();
    }
  }
}

function journalOf(journalled: { error?: PluginError } | undefined): StopReport["journal"] {
  if (journalled === undefined) return { recorded: false };
  return journalled.error ? { recorded: false, error: journalled.error.message } : { recorded: true };
}

async function attempt<T>(work: () => Promise<T>): Promise<{ value?: T; error?: PluginError }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof PluginError) return { error };
    throw error;
  }
}

function bothFailed(name: string, annotation: PluginError, journal: PluginError | undefined): PluginError {
  if (journal === undefined) return annotation;
  return new PluginError(
    annotation.code,
    `riskpolicy/${name} is NOT STOPPED. The annotation failed: ${annotation.message}. The journal failed: ${journal.message}`,
    { next: "stop the brokers: kubectl scale statefulset -l app.kubernetes.io/component=broker --replicas=0", cause: annotation },
  );
}
