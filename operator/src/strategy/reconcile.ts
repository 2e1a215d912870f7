/** The world of one Strategy: read, planned, made so. */
import { ANNOTATION, type RiskPolicy, type Strategy, effectiveStrategySpec } from "@bellwether/crds";
import {
  type KubernetesClient,
  type Outcome,
  type OwnerReference,
  type Stored,
  controllerReference,
  done,
  isKubernetesError,
  isOwnedBy,
  keyOf,
  requeueAfter,
  withOwner,
} from "@bellwether/kubernetes";
import { type Clock, type Logger, messageOf } from "@bellwether/service-kit";
import { agentName, gatewayName, riskName, subjectOf } from "../child-name.ts";
import { CONFIG_HASH, namespaceOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { digestOf } from "../digest.ts";
import type { Admissions } from "../ledger/admissions.ts";
import type { Admission } from "../ledger/cpu-ledger.ts";
import type { Assignment } from "../ledger/pinned.ts";
import { milliCores } from "../ledger/pod-cpus.ts";
import { type ObservedPod, observePod } from "../observed-pod.ts";
import type { ChildWriter } from "../platform/child-writer.ts";
import { FOUND_TTL_MS, MISSING_TTL_MS } from "../platform/config-map-digests.ts";
import type { NodeAssignments } from "../platform/node-assignments.ts";
import { namespaces, pods, strategies } from "../platform/resources.ts";
import type { PolicyRef, RiskLink } from "../platform/risk-link.ts";
import { type StatusWriter, refOf } from "../platform/status-writer.ts";
import { BY_POLICY, type World } from "../platform/world.ts";
import type { WriteCadence } from "../platform/write-cadence.ts";
import type { Rendered } from "../rendered-config.ts";
import { renderAgentConfig } from "./agent-config.ts";
import { alertRules } from "./alert-rules.ts";
import { noCapitalMessage, shareOf } from "./capital.ts";
import { ORDERS_FINALIZER } from "./finalizer.ts";
import type { InputReader } from "./input-reader.ts";
import { type Inputs, inputRefs } from "./inputs.ts";
import { agentChildren, agentPod } from "./manifests.ts";
import { type Desired, type Observed, type Plan, firstPlan, plan, wantsPlace } from "./plan.ts";
import { type Fault, firstFault } from "./references.ts";
import type { Registered, Registrar } from "./registrar.ts";
import { type StatusInput, holdingOf, statusOf, transitionEvents } from "./status.ts";
import type { RiskWord } from "./trading.ts";

export interface StrategyDependencies {
  readonly client: KubernetesClient;
  readonly world: World;
  readonly children: ChildWriter;
  readonly statuses: StatusWriter;
  readonly risk: RiskLink;
  readonly registrar: Registrar;
  readonly admissions: Admissions;
  readonly assignments: NodeAssignments;
  readonly inputs: InputReader;
  readonly cadence: WriteCadence;
  readonly config: OperatorConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

type Object = Stored<Strategy>;

interface Resolved {
  readonly fault: Fault | undefined;
  readonly desired: Desired | undefined;
  readonly policy: PolicyRef | undefined;
  readonly shareRatio: string | undefined;
  readonly inputs: Inputs;
}

/** What is known besides the plan when a status is written. */
interface Seen {
  readonly pod: ObservedPod | undefined;
  readonly registered: Registered["registered"];
  readonly policy: PolicyRef | undefined;
}

const unregisterRetryMs = 500;
const nameTakenRetryMs = 30_000;
const notDecidedRetryMs = 200;
/** The deeds of a new strategy take many requests; others that were applied with it shall have their first word before. */
const firstDeedInMs = 500;

export function strategyReconciler(dependencies: StrategyDependencies): (key: string) => Promise<Outcome> {
  const reconciler = new StrategyReconciler(dependencies);
  return (key) => reconciler.reconcile(key);
}

class StrategyReconciler {
  readonly #on: StrategyDependencies;

  constructor(dependencies: StrategyDependencies) {
    this.#on = dependencies;
  }

  async reconcile(key: string): Promise<Outcome> {
    const strategy = this.#on.world.strategies.cache.get(key);
    if (!strategy) return done;
    try {
      return strategy.metadata.deletionTimestamp === undefined ? await this.#live(strategy) : await this.#deleting(strategy);
    } finally {
      this.#on.admissions.seen(strategy.metadata.uid);
    }
  }

  async #live(strategy: Object): Promise<Outcome> {
    if (strategy.status?.phase === undefined && !strategy.spec.suspend) {
      const policy = this.#policyOf(strategy);
      if (policy) return this.#firstWord(strategy, policy);
    }
    const resolved = await this.#resolve(strategy);
    if (strategy.status?.phase !== undefined) await this.#lookFirst(resolved);
    const { registration, registered } = await this.#register(strategy, resolved);
    const partly = this.#observed(strategy, resolved, registration);
    const admission = this.#admission(strategy, partly);
    if (!admission) return requeueAfter(notDecidedRetryMs);
    const decided = plan({ ...partly, admission });
    const made = await this.#act(strategy, decided);
    const figuresInMs = await this.#writeStatus(strategy, made, { pod: partly.pod, registered, policy: resolved.policy });
    return this.#outcome([made.requeueAfterMs, figuresInMs, this.#inputsInMs(resolved)]);
  }

  /**
   * A new strategy says at once, with one request and little reckoning, that it was seen. What is wrong with it, what has to be done for it, and
   * what risk and the ledger say, comes after the first word of all that were applied with it.
   */
  async #firstWord(strategy: Object, policy: Stored<RiskPolicy>): Promise<Outcome> {
    const seen = { pod: this.#pod(strategy), registered: undefined, policy: policyRefOf(policy) };
    const input = this.#statusInput(strategy, firstPlan, seen);
    await this.#on.statuses.write({ resource: strategies, object: strategy }, statusOf({ ...input, figuresDue: false }), []);
    return requeueAfter(firstDeedInMs);
  }

  /** What is known of an object already is not overwritten by what an operator that has just started does not know yet. */
  async #lookFirst({ policy }: Resolved): Promise<void> {
    const { risk, assignments, config } = this.#on;
    if (policy) {
      risk.track(policy);
      await risk.looked(policy);
    }
    if (config.nodeAgent.enabled) await assignments.looked();
  }

  #policyOf(strategy: Object): Stored<RiskPolicy> | undefined {
    const { name } = strategy.spec.riskPolicyRef;
    return this.#on.world.policies.cache.get(keyOf({ namespace: namespaceOf(strategy), name }));
  }

  async #resolve(strategy: Object): Promise<Resolved> {
    const { world, config, inputs: reader } = this.#on;
    const spec = effectiveStrategySpec(strategy.spec);
    const namespace = namespaceOf(strategy);
    const policy = this.#policyOf(strategy);
    const policyRef = policy && policyRefOf(policy);
    const llmRouteExists =
      spec.llmRouteRef !== undefined &&
      world.llmRoutes.cache.get(keyOf({ namespace, name: spec.llmRouteRef.name })) !== undefined;
    // A suspended strategy runs nothing: whether its files are there is asked when it is resumed.
    const inputs: Inputs = spec.suspend ? new Map() : await reader.read(namespace, inputRefs(spec));
    const base = { policy: policyRef, inputs, desired: undefined, shareRatio: undefined };
    const fault = firstFault(spec, { policy, holding: holdingOf(strategy.status ?? {}), llmRouteExists, inputs });
    if (fault || !policy || spec.suspend)
      return { ...base, fault, shareRatio: strategy.spec.capital?.shareRatio ?? strategy.status?.shareRatio };

    const share =
      spec.mode === "Backtest"
        ? undefined
        : shareOf(strategy, { strategies: this.#onPolicy(namespace, policy.metadata.name), places: config.maxParallelAgents });
    if (share?.settled === false) {
      return {
        ...base,
        fault: { reason: "NoCapitalLeft", message: noCapitalMessage(spec.riskPolicyRef.account, share), stopsRunning: true },
      };
    }
    const riskUrl = `http://${riskName(policy.metadata.name)}.${namespace}.svc:8080`;
    const identity = { uid: strategy.metadata.uid, name: strategy.metadata.name, namespace };
    const gatewayUrl = spec.llmRouteRef && `http://${gatewayName(spec.llmRouteRef.name)}.${namespace}.svc:8080`;
    const rendered = renderAgentConfig({ strategy: identity, spec, policy, riskUrl, gatewayUrl });
    if (!rendered.ok)
      return {
        ...base,
        fault: { reason: "SpecInvalid", message: `the agent would not take this: ${rendered.message}`, stopsRunning: true },
      };
    const desired = desiredOf({ strategy, config, rendered, inputs });
    return { fault: undefined, desired, policy: policyRef, shareRatio: share?.shareRatio, inputs };
  }

  /** Tells risk what it has to know. What was never registered is not told to be suspended. */
  async #register(strategy: Object, { policy, shareRatio, desired }: Resolved): Promise<Registered> {
    const spec = effectiveStrategySpec(strategy.spec);
    const wasAccepted = strategy.status?.run !== undefined;
    const isTold = policy !== undefined && shareRatio !== undefined && (desired !== undefined || (spec.suspend && wasAccepted));
    if (spec.mode === "Backtest" || !isTold) return { registration: { state: "Unneeded" }, registered: undefined };
    await this.#on.statuses.addFinalizer(strategies, strategy, ORDERS_FINALIZER);
    const namespace = namespaceOf(strategy);
    return this.#on.registrar.register(
      policy,
      {
        uid: strategy.metadata.uid,
        namespace,
        name: strategy.metadata.name,
        subject: subjectOf(namespace, agentName(strategy.metadata.name)),
        account: spec.riskPolicyRef.account,
        mode: spec.mode,
        markets: spec.markets.map(({ symbol, timeframe }) => ({ symbol, timeframe })),
        shareRatio,
        suspended: spec.suspend,
        ...alertRules(strategy.spec),
      },
      wasAccepted,
    );
  }

  #onPolicy(namespace: string, name: string): readonly Strategy[] {
    return this.#on.world.strategies.cache.byIndex(BY_POLICY, keyOf({ namespace, name }));
  }

  #observed(
    strategy: Object,
    { fault, desired }: Resolved,
    registration: Registered["registration"],
  ): Omit<Observed, "admission"> {
    return {
      spec: effectiveStrategySpec(strategy.spec),
      isDeleting: strategy.metadata.deletionTimestamp !== undefined,
      fault,
      desired,
      registration,
      pod: this.#pod(strategy),
      status: strategy.status ?? {},
      backoff: this.#on.config.agentBackoff,
      nowMs: this.#on.clock.nowMs(),
    };
  }

  #pod(strategy: Object): ObservedPod | undefined {
    const pod = this.#on.world.pods.cache.get(podKey(strategy));
    return pod && isOwnedBy(pod, strategy.metadata.uid) ? observePod(pod) : undefined;
  }

  #admission(strategy: Object, observed: Omit<Observed, "admission">): Admission | undefined {
    const { admissions, config } = this.#on;
    if (!wantsPlace(observed)) {
      admissions.withdraw(strategy.metadata.uid);
      return { granted: true };
    }
    const { spec, pod, status } = observed;
    const hasPlace =
      (pod !== undefined && pod.ended === undefined) ||
      status.conditions?.some(({ type, status: state }) => type === "Admitted" && state === "True") === true;
    const held = status.resources;
    const asksForNoMore = held === undefined || (held.pinning === spec.resources.pinning && held.cpus >= spec.resources.cpus);
    return admissions.ask({
      uid: strategy.metadata.uid,
      name: `${namespaceOf(strategy)}/${strategy.metadata.name}`,
      isAgent: true,
      pinning: spec.resources.pinning,
      cores: spec.resources.cpus,
      requestMilli: milliCores(config.agent.sharedCpuRequest) ?? 0,
      priority: spec.priority,
      createdMs: Date.parse(strategy.metadata.creationTimestamp ?? "") || 0,
      holds: hasPlace && asksForNoMore,
    });
  }

  async #act(strategy: Object, decided: Plan): Promise<Plan> {
    const owner = controllerReference(strategy, strategies);
    try {
      if (decided.pod.do === "Create" || decided.pod.do === "Keep") await this.#on.children.ensure(owner, decided.children);
      await this.#step(strategy, decided.pod, owner);
      return decided;
    } catch (error) {
      if (!isKubernetesError(error, "NAME_TAKEN")) throw error;
      const ready = { type: "Ready", status: "False", reason: "NameTaken", message: messageOf(error) } as const;
      return { ...decided, phase: "Pending", ready, requeueAfterMs: nameTakenRetryMs };
    }
  }

  async #step(strategy: Object, step: Plan["pod"], owner: OwnerReference): Promise<void> {
    const { client, log } = this.#on;
    const ref = { namespace: namespaceOf(strategy), name: agentName(strategy.metadata.name) };
    if (step.do === "Delete") {
      log.info({ strategy: keyOf(strategy.metadata), because: step.because }, "deleting the agent's pod");
      await client.delete(pods, ref, { uid: step.uid }).catch(ignoreConflict);
    }
    if (step.do !== "Create") return;
    try {
      await client.create(pods, withOwner(step.pod, owner));
    } catch (error) {
      if (!isKubernetesError(error, "ALREADY_EXISTS")) throw error;
      // Ours from a moment ago, then the watch will bring it; somebody else's, then its owner has to make room.
      const there = await client.get(pods, ref);
      if (there && !isOwnedBy(there, owner.uid)) this.#on.children.refuse(pods, { live: there, owner });
      throw error;
    }
  }

  /** @returns milliseconds until live figures that were held back are due */
  #writeStatus(strategy: Object, decided: Plan, seen: Seen): Promise<number | undefined> {
    const { statuses, cadence } = this.#on;
    const previous = strategy.status ?? {};
    const input = this.#statusInput(strategy, decided, seen);
    return cadence.write({
      uid: strategy.metadata.uid,
      statusOf: (figuresDue) => statusOf({ ...input, figuresDue }),
      differs: (next) => statuses.differs(strategy, next),
      write: (next) => statuses.write({ resource: strategies, object: strategy }, next, transitionEvents(previous, next)),
      hasFigures: ({ equity }) => equity !== undefined,
      isFirst: previous.equity === undefined,
    });
  }

  #statusInput(strategy: Object, decided: Plan, { pod, registered, policy }: Seen): Omit<StatusInput, "figuresDue"> {
    return {
      generation: strategy.metadata.generation ?? 0,
      spec: effectiveStrategySpec(strategy.spec),
      previous: strategy.status ?? {},
      plan: decided,
      pod,
      word: this.#word(strategy, policy),
      assignment: this.#assignment(strategy, pod),
      registered,
      nowMs: this.#on.clock.nowMs(),
    };
  }

  #word(strategy: Object, policy: PolicyRef | undefined): RiskWord {
    if (!policy) return { heard: false, reason: "RiskPolicyMissing", message: "there is no RiskPolicy to ask" };
    const word = this.#on.risk.word(policy);
    return word.heard ? { heard: true, view: this.#on.risk.view(policy, strategy.metadata.uid) } : word;
  }

  #assignment(strategy: Object, pod: ObservedPod | undefined): Assignment {
    if (!this.#on.config.nodeAgent.enabled)
      return { known: false, message: "no node agent is installed, so nobody can say which cores the agent has" };
    const { namespace } = refOf(strategy);
    return this.#on.assignments.of({
      node: pod?.node,
      namespace: namespace ?? "",
      name: pod?.name ?? "",
      sinceMs: pod?.readySinceMs ?? 0,
    });
  }

  /** Files that strategies name are not watched: they are looked at again, the missing ones soon. */
  #inputsInMs({ inputs }: Resolved): number | undefined {
    if (inputs.size === 0) return undefined;
    return [...inputs.values()].every(({ found }) => found) ? FOUND_TTL_MS : MISSING_TTL_MS;
  }

  #outcome(delays: readonly (number | undefined)[]): Outcome {
    const wanted = delays.filter((delay) => delay !== undefined);
    return wanted.length === 0 ? done : requeueAfter(Math.max(50, Math.min(...wanted)));
  }

  /** The pod goes at once, working orders are cancelled, then the object may go. */
  async #deleting(strategy: Object): Promise<Outcome> {
    const { admissions, statuses, log } = this.#on;
    admissions.withdraw(strategy.metadata.uid);
    const observed = this.#observed(
      strategy,
      { fault: undefined, desired: undefined, policy: undefined, shareRatio: undefined, inputs: new Map() },
      { state: "Unneeded" },
    );
    const decided = plan({ ...observed, admission: { granted: true } });
    await this.#act(strategy, decided);
    if (!strategy.metadata.finalizers?.includes(ORDERS_FINALIZER)) return done;
    const release = await this.#mayGo(strategy);
    if (release.wait) {
      await statuses.write(
        { resource: strategies, object: strategy },
        statusOf({ ...this.#deletingStatus(strategy, decided), pod: observed.pod }),
        [],
      );
      return requeueAfter(unregisterRetryMs);
    }
    if (release.note !== undefined)
      statuses.record(strategy, {
        type: release.isClean ? "Normal" : "Warning",
        reason: release.reason,
        action: "Delete",
        note: release.note,
      });
    log.info({ strategy: keyOf(strategy.metadata), reason: release.reason }, "the strategy may go");
    await statuses.removeFinalizer(strategies, strategy, ORDERS_FINALIZER);
    return done;
  }

  #deletingStatus(strategy: Object, decided: Plan) {
    return {
      generation: strategy.metadata.generation ?? 0,
      spec: effectiveStrategySpec(strategy.spec),
      previous: strategy.status ?? {},
      plan: decided,
      word: { heard: false, reason: "Deleting", message: "the strategy is being deleted" } as const,
      assignment: { known: false, message: "" } as const,
      registered: undefined,
      figuresDue: false,
      nowMs: this.#on.clock.nowMs(),
    };
  }

  async #mayGo(strategy: Object): Promise<{ wait: true } | { wait: false; isClean: boolean; reason: string; note?: string }> {
    const { world, risk, config, clock, client } = this.#on;
    const go = (reason: string, note?: string, isClean = false) =>
      ({ wait: false, isClean, reason, ...(note !== undefined && { note }) }) as const;
    const namespace = namespaceOf(strategy);
    const { riskPolicyRef, onDelete } = effectiveStrategySpec(strategy.spec);
    if (strategy.metadata.annotations?.[ANNOTATION.forceDelete] !== undefined)
      return go("ForceDeleted", "released by annotation: orders may still be working at the venue");
    const policy = world.policies.cache.get(keyOf({ namespace, name: riskPolicyRef.name }));
    if (!policy) return go("RiskPolicyGone", "its RiskPolicy is gone, and risk with it: nobody is left to cancel orders");
    const answer = await risk.unregister({ namespace, name: riskPolicyRef.name }, { uid: strategy.metadata.uid, onDelete });
    if (answer.result === "Refused" && answer.status === 404) return go("OrdersCancelled");
    if (answer.result === "Answered" && answer.value.settled && answer.value.workingOrders === 0) {
      return go("OrdersCancelled", "no order is working any more", true);
    }
    const deletedMs = Date.parse(strategy.metadata.deletionTimestamp ?? "") || clock.nowMs();
    if (clock.nowMs() - deletedMs >= config.finalizerDeadlineMs) {
      const why = answer.result === "Answered" ? `${answer.value.workingOrders} orders are still working` : answer.message;
      return go("DeadlinePassed", `released after ${config.finalizerDeadlineMs / 1000} s: ${why}`);
    }
    if (answer.result === "Unreachable") {
      // In a namespace that is being deleted risk cannot come back, so waiting for it would be waiting for ever.
      const owner = await client.get(namespaces, { name: namespace });
      if (owner?.metadata.deletionTimestamp !== undefined) return go("NamespaceGone");
    }
    return { wait: true };
  }
}

interface DesiredSource {
  readonly strategy: Object;
  readonly config: OperatorConfig;
  readonly rendered: Rendered & { ok: true };
  readonly inputs: Inputs;
}

function desiredOf({ strategy, config, rendered, inputs }: DesiredSource): Desired {
  const spec = effectiveStrategySpec(strategy.spec);
  const files = [...inputs].map(([role, state]) => ({ role, sha256: state.found ? state.sha256 : "" }));
  const fields = { strategy, spec, config, specHash: digestOf({ config: rendered.text, files }), configText: rendered.text };
  const pod = agentPod(fields);
  return {
    specHash: fields.specHash,
    children: agentChildren(fields),
    pod,
    podHash: pod.metadata.annotations?.[CONFIG_HASH] ?? "",
  };
}

function policyRefOf(policy: Stored<RiskPolicy>): PolicyRef {
  const { name, uid } = policy.metadata;
  return { namespace: namespaceOf(policy), name, uid, service: riskName(name) };
}

const podKey = (strategy: Object): string => keyOf({ namespace: namespaceOf(strategy), name: agentName(strategy.metadata.name) });

/** The pod was replaced between looking and deleting: the next look sees it. */
function ignoreConflict(error: unknown): false {
  if (isKubernetesError(error, "CONFLICT")) return false;
  throw error;
}
