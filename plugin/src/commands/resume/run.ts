import { findPolicy } from "../../cluster/choose-policy.ts";
import type { StoredPolicy } from "../../cluster/cluster.ts";
import { PluginError, exitCodes } from "../../errors.ts";
import type { RiskApi } from "../../risk/risk-api.ts";
import type { Outcome, World } from "../command.ts";
import { holdsOf } from "../holds.ts";
import { planResume, stillTheSame, stopsOf } from "./plan.ts";
import { type ResumeReport, resumeLines } from "./view.ts";

interface ResumeRequest {
  readonly policy: string | undefined;
  readonly reason: string;
  readonly dryRun: boolean;
}

const attempts = 5;
const seenWithinMs = 5_000;
const lookEveryMs = 200;

/**
 * Clears journal and annotations, in this order: what fails half way leaves trading stopped. A stop that came after this one was looked at is not cleared with it.
 * Without risk nothing is cleared: its journal may hold a halt that nobody would see.
 */
export async function resume(request: ResumeRequest, world: World): Promise<Outcome> {
  const { cluster, openRisk } = world;
  const [policy, who] = await Promise.all([findPolicy(cluster, request.policy), cluster.whoAmI()]);
  const { name } = policy.metadata;
  const risk = await openRisk(name);
  try {
    const plan = planResume(policy, holdsOf(policy, await risk.portfolio()));
    const base = { policy: name, dryRun: request.dryRun, annotations: plan.annotations };
    if (request.dryRun) {
      await removeStops(plan.annotations);
      const report: ResumeReport = { ...base, journal: plan.journal, changed: false, holds: plan.remaining };
      return { exitCode: exitCodes.ok, document: report, lines: (style) => resumeLines(report, style) };
    }
    const reply = await risk.resume({ who, reason: request.reason });
    await removeStops(plan.annotations);
    const holds = await holdsLeft(risk, world, name);
    const changed = reply.changed || Object.keys(plan.annotations).length > 0;
    const report: ResumeReport = { ...base, journal: reply.changed, changed, holds };
    const exitCode = holds.some(({ scope }) => scope === undefined) ? exitCodes.failed : exitCodes.ok;
    return { exitCode, document: report, lines: (style) => resumeLines(report, style) };
  } finally {
    await risk.close();
  }

  async function removeStops(seen: Readonly<Record<string, string>>): Promise<void> {
    if (Object.keys(seen).length === 0) return;
    const annotations = Object.fromEntries(Object.keys(seen).map((key) => [key, null]));
    let current = policy;
    for (let attempt = 1; ; attempt += 1) {
      requireSame(seen, current);
      try {
        const { resourceVersion } = current.metadata;
        await cluster.annotate(name, { annotations, resourceVersion, dryRun: request.dryRun });
        return;
      } catch (error) {
        // The operator writes status at any time: only a change of the annotations themselves is another decision.
        if (!(error instanceof PluginError) || error.code !== "CHANGED_MEANWHILE" || attempt >= attempts) throw error;
        current = (await cluster.policy(name)) ?? policyGone(name);
      }
    }
  }
}

function requireSame(seen: Readonly<Record<string, string>>, current: StoredPolicy): void {
  const now = stopsOf(current);
  const { changed } = stillTheSame(seen, now);
  if (changed === undefined) return;
  throw new PluginError(
    "CHANGED_MEANWHILE",
    `riskpolicy/${current.metadata.name}: ${changed} was set anew meanwhile: ${now[changed] ?? ""}; it stands, the journal's stop is cleared`,
    { next: "look at `kubectl bellwether status`, then resume again" },
  );
}

function policyGone(name: string): never {
  throw new PluginError("POLICY_NOT_FOUND", `riskpolicy/${name} was deleted meanwhile`);
}

/** What holds trading once risk has seen the annotations go; the last answer when it has not after a while. */
async function holdsLeft(risk: RiskApi, { cluster, clock }: World, name: string): Promise<ReturnType<typeof holdsOf>> {
  const untilMs = clock.nowMs() + seenWithinMs;
  for (;;) {
    const policy = (await cluster.policy(name)) ?? policyGone(name);
    const holds = holdsOf(policy, await risk.portfolio());
    const behind = holds.some(({ by }) => by === "annotation") && Object.keys(stopsOf(policy)).length === 0;
    if (!behind || clock.nowMs() >= untilMs) return holds;
    await clock.sleep(lookEveryMs);
  }
}
