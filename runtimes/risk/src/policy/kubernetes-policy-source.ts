import type { RiskPolicy } from "@bellwether/crds";
import { type Connection, Informer, type Resource, WatchLiveness } from "@bellwether/kubernetes";
import { type Check, type Clock, Dependency, type Logger, type Random } from "@bellwether/service-kit";
import type { EffectivePolicy } from "./effective-policy.ts";
import { type PolicySource, policyOf } from "./policy-source.ts";

export interface KubernetesPolicyOptions {
  readonly connection: Connection;
  /** A connection of its own: the watch's may be what is broken. */
  readonly probe: Connection;
  readonly policy: { readonly uid: string; readonly name: string; readonly namespace: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

type RiskPolicyObject = RiskPolicy & { readonly metadata: { readonly name: string } };

const riskPolicies: Resource<RiskPolicyObject> = Object.freeze({
  group: "bellwether.dev",
  version: "v1alpha1",
  plural: "riskpolicies",
  kind: "RiskPolicy",
  namespaced: true,
});

/** A watch that stands in for this long is worth a warning in the health. */
const blindWarningMs = 5_000;

/** Watches the pod's own RiskPolicy, and no other, so that a halt works within a second with no operator alive. */
export class KubernetesPolicySource implements PolicySource {
  readonly #options: KubernetesPolicyOptions;
  readonly #informer: Informer<RiskPolicyObject>;
  readonly #liveness: WatchLiveness;
  readonly #dependency: Dependency;
  readonly #closing = new AbortController();

  constructor(options: KubernetesPolicyOptions) {
    this.#options = options;
    const { connection, probe, policy, clock, random, log } = options;
    this.#informer = new Informer<RiskPolicyObject>({
      client: connection.client,
      resource: riskPolicies,
      namespaces: [policy.namespace],
      fieldSelector: `metadata.name=${policy.name}`,
      clock,
      random,
      log,
    });
    this.#liveness = new WatchLiveness({
      informers: [{ resource: riskPolicies, blindMs: () => this.#informer.blindMs() }],
      probe: probe.client,
      clock,
      log,
    });
    this.#dependency = new Dependency("policy watch", () => clock.nowMs());
  }

  watch(onChange: (policy: EffectivePolicy | undefined) => void): void {
    const { policy, log } = this.#options;
    this.#informer.cache.subscribe(({ type, object }) => {
      const current = type === "deleted" ? undefined : policyOf(object, policy.uid);
      if (!current)
        log.warn({ policy: policy.name, uid: object.metadata.uid }, "the RiskPolicy is gone or was made anew: nothing is traded");
      onChange(current);
    });
    void this.#informer.run(this.#closing.signal);
    void this.#liveness.run(this.#closing.signal);
  }

  /** Whether the policy is being seen. */
  check(): Check {
    const blindMs = this.#informer.blindMs();
    if (!this.#informer.hasSynced) this.#dependency.down("the RiskPolicy has not been read yet");
    else if (blindMs > blindWarningMs)
      this.#dependency.down(`changes of the RiskPolicy have not been seen for ${Math.round(blindMs / 1_000)} s`);
    else this.#dependency.up("watching");
    return this.#dependency.check();
  }

  /** For liveness: false only when the API server answers and the watch is blind all the same. */
  liveness(): Check {
    return this.#liveness.check();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#options.connection.close(), this.#options.probe.close()]);
  }
}
