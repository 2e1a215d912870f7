/** Everything about a RiskPolicy is decided here, nothing is done here. */
import type { RiskPolicy, Strategy } from "@bellwether/crds";
import type { PortfolioView } from "@bellwether/trading/wire";
import type { Manifest } from "../child-objects.ts";
import type { Draft } from "../condition.ts";
import type { OperatorConfig } from "../config.ts";
import type { ObservedPod } from "../observed-pod.ts";
import { brokerChildren, riskChildren } from "./manifests.ts";
import { networkPolicies } from "./network-policies.ts";
import { brokerConfigText, riskConfigText, servedMarkets } from "./service-configs.ts";

/** Of a long list, what a sentence names. */
const mostSaid = 5;

/** What risk last said of itself. */
export type PortfolioWord =
  | { readonly heard: true; readonly view: PortfolioView }
  | { readonly heard: false; readonly reason: string; readonly message: string };

export interface Observed {
  readonly policy: RiskPolicy;
  /** Strategies of the namespace that name this policy. */
  readonly strategies: readonly Strategy[];
  /** Issuer and signing keys of ServiceAccount tokens. */
  readonly tokens: { readonly issuer: string; readonly jwks: string };
  /** `config.json` of a broker as it is now, by account name. */
  readonly brokerConfigs: ReadonlyMap<string, string>;
  /** Pods of risk and brokers, for why they are not ready. */
  readonly pods: readonly ObservedPod[];
  readonly word: PortfolioWord;
  readonly config: OperatorConfig;
  readonly nowMs: number;
}

export interface Plan {
  /** All children that should be; `undefined`: leave everything as it is. */
  readonly children: readonly Manifest[] | undefined;
  readonly conditions: readonly Draft[];
  readonly finalizer: "Keep" | "Release";
  /** Said when the finalizer is released although strategies are left. */
  readonly abandoned: readonly string[];
  readonly requeueAfterMs?: number;
}

/**
 *   being deleted? ── strategies left, deadline not passed ──► waits for them (risk and brokers go on: orders must be cancelled)
 *        │ no          └─ none left, or the deadline passed ─► released; the children go with their owner
 *   configurations valid? ── no ─────────────────────────────► Ready=False, SpecInvalid (what runs stays as it is)
 *        │ yes
 *   risk answers? ── no ─────────────────────────────────────► Ready=False, RiskNotReady (with what its pod waits for)
 *        │ yes
 *   every account ready? ── no ──────────────────────────────► Ready=False, AccountNotReady (which one, why)
 *        │ yes
 *        └───────────────────────────────────────────────────► Ready=True
 */
export function plan(observed: Observed): Plan {
  const { policy, config, word } = observed;
  if (policy.metadata.deletionTimestamp !== undefined)
    return deletionPlan(observed, Date.parse(policy.metadata.deletionTimestamp));
  const built = childrenOf(observed);
  if (!built.ok) return kept(undefined, [notReady("SpecInvalid", built.message)]);
  const ready = word.heard ? accountsReady(word.view) : riskNotReady(observed, word);
  const isSettled = ready.status === "True";
  return {
    ...kept(built.children, [ready, ...breakersNotWatched(policy, word), ...balancesIgnored(word)]),
    ...(!isSettled && { requeueAfterMs: config.riskApi.pollMs }),
  };
}

const kept = (children: Plan["children"], conditions: Plan["conditions"]): Plan => ({
  children,
  conditions,
  finalizer: "Keep",
  abandoned: [],
});
const notReady = (reason: string, message: string): Draft => ({ type: "Ready", status: "False", reason, message });

function deletionPlan({ strategies, config, nowMs }: Observed, deletedMs: number): Plan {
  // Backtests place no orders, so they are not waited for.
  const waitedFor = strategies.filter(({ spec }) => spec.mode !== "Backtest").map(({ metadata }) => metadata.name);
  const leftMs = deletedMs + config.finalizerDeadlineMs - nowMs;
  if (waitedFor.length === 0 || leftMs <= 0) {
    return {
      children: undefined,
      conditions: [notReady("Deleting", "the policy is being deleted")],
      finalizer: "Release",
      abandoned: waitedFor,
    };
  }
  const names = `${waitedFor.slice(0, 5).join(", ")}${waitedFor.length > 5 ? ` and ${waitedFor.length - 5} more` : ""}`;
  const ready = notReady("Deleting", `waits until its strategies are deleted, so that their orders can be cancelled: ${names}`);
  return { ...kept(undefined, [ready]), requeueAfterMs: leftMs };
}

function childrenOf({
  policy,
  strategies,
  tokens,
  config,
  brokerConfigs,
}: Observed): { ok: true; children: Manifest[] } | { ok: false; message: string } {
  const source = { policy, issuer: tokens.issuer, config };
  const risk = riskConfigText(source);
  if (!risk.ok) return risk;
  const children = [
    ...networkPolicies(policy, config),
    ...riskChildren({ policy, config, configText: risk.text, jwks: tokens.jwks }),
  ];
  for (const account of policy.spec.accounts) {
    const broker = brokerConfigText(source, { account, strategies, served: servedMarkets(brokerConfigs.get(account.name)) });
    if (!broker.ok) return { ok: false, message: `account ${account.name}: ${broker.message}` };
    children.push(...brokerChildren({ policy, config, configText: broker.text, jwks: tokens.jwks }, account));
  }
  return { ok: true, children };
}

function accountsReady(view: PortfolioView): Draft {
  const waiting = view.accounts.find(({ ready }) => !ready);
  if (waiting) return notReady("AccountNotReady", `account ${waiting.name}: ${waiting.message}`);
  return { type: "Ready", status: "True", reason: "Ready", message: "risk and every account's broker answer" };
}

function riskNotReady({ pods }: Observed, word: PortfolioWord & { heard: false }): Draft {
  const stuck = pods.find(({ waiting }) => waiting);
  if (stuck?.waiting) return notReady("PodNotStarting", `${stuck.name}: ${stuck.waiting.reason}: ${stuck.waiting.message}`);
  return notReady(word.reason, word.message);
}

/** Said openly: a breaker that is written down and not watched would be worse than none. A risk of an earlier version says nothing of breakers. */
function breakersNotWatched({ spec }: RiskPolicy, word: PortfolioWord): Draft[] {
  const types = (spec.circuitBreakers ?? []).map(({ type }) => type);
  if (types.length === 0 || !word.heard || word.view.breakers !== undefined) return [];
  const message = `the risk that runs does not watch circuit breakers (${types.join(", ")}): limits and halts hold, breakers do not trip`;
  return [{ type: "BreakersWatched", status: "False", reason: "NotWatched", message }];
}

/** A manifest that says something else than what is true, and that nobody obeys, has to be contradicted. */
function balancesIgnored(word: PortfolioWord): Draft[] {
  if (!word.heard) return [];
  const said = word.view.accounts.flatMap(({ name, ignoredBalances = [] }) => {
    if (ignoredBalances.length === 0) return [];
    const amounts = ignoredBalances
      .slice(0, mostSaid)
      .map(({ asset, manifest, journal }) => `${asset} ${manifest} (began with ${journal})`);
    return [`account ${name}: the manifest says ${amounts.join(", ")}`];
  });
  if (said.length === 0) return [];
  const message = `${said.slice(0, mostSaid).join("; ")}. A paper account is given its balances once: set them back, or begin anew with an account of another name and move the strategies to it`;
  return [{ type: "BalancesApplied", status: "False", reason: "BalancesGivenOnce", message }];
}
