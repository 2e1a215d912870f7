/** The world of one RiskPolicy: read, planned, made so. */
import { ANNOTATION, type RiskPolicy } from "@bellwether/crds";
import {
  type Outcome,
  type Stored,
  controllerReference,
  done,
  isKubernetesError,
  keyOf,
  requeueAfter,
} from "@bellwether/kubernetes";
import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import { brokerName, riskName } from "../child-name.ts";
import { namespaceOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { type ObservedPod, observePod } from "../observed-pod.ts";
import type { ChildWriter } from "../platform/child-writer.ts";
import { type ConfigMap, riskPolicies } from "../platform/resources.ts";
import type { RiskLink } from "../platform/risk-link.ts";
import type { StatusWriter } from "../platform/status-writer.ts";
import type { TokenIssuer } from "../platform/token-issuer.ts";
import { BY_OWNER, BY_POLICY, type World } from "../platform/world.ts";
import type { WriteCadence } from "../platform/write-cadence.ts";
import { STRATEGIES_FINALIZER } from "./finalizer.ts";
import { type Plan, plan } from "./plan.ts";
import { happenings, statusOf, transitionEvents } from "./status.ts";

export interface RiskPolicyDependencies {
  readonly world: World;
  readonly children: ChildWriter;
  readonly statuses: StatusWriter;
  readonly risk: RiskLink;
  readonly tokens: { readonly current: TokenIssuer | undefined };
  readonly cadence: WriteCadence;
  readonly config: OperatorConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

type Object = Stored<RiskPolicy>;

const nameTakenRetryMs = 30_000;
const noKeysRetryMs = 1_000;

export function riskPolicyReconciler(dependencies: RiskPolicyDependencies): (key: string) => Promise<Outcome> {
  const reconciler = new RiskPolicyReconciler(dependencies);
  return (key) => reconciler.reconcile(key);
}

class RiskPolicyReconciler {
  readonly #on: RiskPolicyDependencies;

  constructor(dependencies: RiskPolicyDependencies) {
    this.#on = dependencies;
  }

  async reconcile(key: string): Promise<Outcome> {
    const { world, risk, statuses, tokens } = this.#on;
    const policy = world.policies.cache.get(key);
    if (!policy) return done;
    const { name, uid } = policy.metadata;
    if (!tokens.current) return requeueAfter(noKeysRetryMs);
    risk.track({ namespace: namespaceOf(policy), name, uid, service: riskName(name) });
    // See `RiskLink.looked`: a restart of the operator is no news about risk.
    if (policy.status !== undefined) await risk.looked({ namespace: namespaceOf(policy), name });
    if (policy.metadata.deletionTimestamp === undefined) await statuses.addFinalizer(riskPolicies, policy, STRATEGIES_FINALIZER);

    const decided = await this.#act(policy, this.#plan(policy, tokens.current));
    if (decided.finalizer === "Release" || policy.metadata.annotations?.[ANNOTATION.forceDelete] !== undefined) {
      const isReleased = await this.#release(policy, decided);
      if (isReleased) return done;
    }
    const figuresInMs = await this.#writeStatus(policy, decided);
    const delays = [decided.requeueAfterMs, figuresInMs].filter((delay) => delay !== undefined);
    return delays.length === 0 ? done : requeueAfter(Math.max(50, Math.min(...delays)));
  }

  #plan(policy: Object, tokens: TokenIssuer): Plan {
    const { world, risk, config, clock } = this.#on;
    const namespace = namespaceOf(policy);
    return plan({
      policy,
      strategies: world.strategies.cache.byIndex(BY_POLICY, keyOf({ namespace, name: policy.metadata.name })),
      tokens,
      brokerConfigs: this.#brokerConfigs(policy),
      pods: this.#pods(policy),
      word: risk.word({ namespace, name: policy.metadata.name }),
      config,
      nowMs: clock.nowMs(),
    });
  }

  #brokerConfigs(policy: Object): ReadonlyMap<string, string> {
    const cache = this.#on.world.children.get("ConfigMap")?.cache;
    const texts = new Map<string, string>();
    for (const { name } of policy.spec.accounts) {
      const found = cache?.get(keyOf({ namespace: namespaceOf(policy), name: brokerName(policy.metadata.name, name) })) as
        ConfigMap | undefined;
      const text = found?.data?.["config.json"];
      if (text !== undefined) texts.set(name, text);
    }
    return texts;
  }

  /** Pods of its StatefulSets: owned by them, not by the policy. */
  #pods(policy: Object): ObservedPod[] {
    const { world } = this.#on;
    const sets = world.children.get("StatefulSet")?.cache.byIndex(BY_OWNER, policy.metadata.uid) ?? [];
    return sets.flatMap((set) => world.pods.cache.byIndex(BY_OWNER, set.metadata.uid)).map(observePod);
  }

  async #act(policy: Object, decided: Plan): Promise<Plan> {
    if (!decided.children) return decided;
    const owner = controllerReference(policy, riskPolicies);
    try {
      await this.#on.children.ensure(owner, decided.children);
      await this.#on.children.removeOthers(owner, decided.children);
      return decided;
    } catch (error) {
      if (!isKubernetesError(error, "NAME_TAKEN")) throw error;
      const ready = { type: "Ready", status: "False", reason: "NameTaken", message: messageOf(error) } as const;
      return {
        ...decided,
        conditions: [ready, ...decided.conditions.filter(({ type }) => type !== "Ready")],
        requeueAfterMs: nameTakenRetryMs,
      };
    }
  }

  /** False while the object is not being deleted: an annotation alone releases nothing. */
  async #release(policy: Object, { abandoned }: Plan): Promise<boolean> {
    const { statuses, risk, log } = this.#on;
    if (policy.metadata.deletionTimestamp === undefined) return false;
    if (abandoned.length > 0) {
      const note = `released although strategies are left (${abandoned.join(", ")}): their orders can no longer be cancelled`;
      statuses.record(policy, { type: "Warning", reason: "DeadlinePassed", action: "Delete", note });
    }
    log.info({ policy: keyOf(policy.metadata), abandoned }, "the policy may go");
    await statuses.removeFinalizer(riskPolicies, policy, STRATEGIES_FINALIZER);
    risk.untrack({ namespace: namespaceOf(policy), name: policy.metadata.name });
    return true;
  }

  /** @returns milliseconds until live figures that were held back are due */
  #writeStatus(policy: Object, decided: Plan): Promise<number | undefined> {
    const { statuses, cadence, clock, risk } = this.#on;
    const { uid, name } = policy.metadata;
    const previous = policy.status ?? {};
    const input = { policy, plan: decided, word: risk.word({ namespace: namespaceOf(policy), name }), nowMs: clock.nowMs() };
    if (input.word.heard) for (const text of happenings(input.word.view)) statuses.record(policy, text);
    return cadence.write({
      uid,
      statusOf: (figuresDue) => statusOf({ ...input, figuresDue }),
      differs: (next) => statuses.differs(policy, next),
      write: (next) => statuses.write({ resource: riskPolicies, object: policy }, next, transitionEvents(previous, next)),
      hasFigures: ({ equity }) => equity !== undefined,
    });
  }
}
