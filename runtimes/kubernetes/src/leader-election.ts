/**
 * One of several replicas acts: the one that holds a Lease and renews it in time.
 *
 *   waiting ── lease free, expired or ours ──► leading ── renewed ──► leading
 *      ▲                                          │ not renewed within the renew deadline, or taken by another
 *      └──────────────────────────────────────────┘ (the term's signal aborts; `assertLeading` throws from then on)
 *
 * A holder that is known to be dead is not waited for. Otherwise the fence is by time: a leader stops acting `renewDeadlineMs` after its last renewal began, a follower takes over no
 * earlier than `leaseDurationMs` after it *saw* the lease change. No clocks of two machines are compared.
 */
import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { Random } from "@bellwether/service-kit/random";
import { type Lease, leases } from "./builtin-resources.ts";
import type { KubernetesClient } from "./client.ts";
import { rfc3339Micro } from "./conditions.ts";
import { KubernetesError, isKubernetesError } from "./errors.ts";
import type { KubernetesMetrics } from "./kubernetes-metrics.ts";
import type { Stored } from "./objects.ts";

export interface LeaderElectionOptions {
  readonly client: Pick<KubernetesClient, "get" | "create" | "replace">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: KubernetesMetrics;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Unique to this process: pod name and a random part. */
  readonly identity: string;
  /**
   * True for a holder that is surely dead, such as an earlier process of the same pod, whose container the kubelet starts only once the old one has
   * ended: its lease is not waited for. Default: nobody is.
   */
  readonly isPredecessor?: (holder: string) => boolean;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
}

export class LeaderElection {
  readonly #options: Required<Omit<LeaderElectionOptions, "metrics">> & Pick<LeaderElectionOptions, "metrics">;
  /** While leading: until when writes are allowed. */
  #leadingUntilMs: number | undefined;
  /** The lease as another's, and when we first saw it so. */
  #observed: { readonly resourceVersion: string; readonly sinceMs: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = {
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2000,
      isPredecessor: () => false,
      ...options,
    };
  }

  get isLeading(): boolean {
    return this.#leadingUntilMs !== undefined && this.#options.clock.nowMs() < this.#leadingUntilMs;
  }

  /** For `ApiClient.guarded`: refuses a write once the lease is no longer surely ours. @throws KubernetesError FENCED */
  assertLeading(): void {
    if (this.isLeading) return;
    throw new KubernetesError("FENCED", `${this.#options.identity} does not hold lease ${this.#options.name}`);
  }

  /**
   * Waits for the lease, runs `lead` while it is held, and gives it back at the end. `lead`'s signal aborts when the lease
   * is lost; then it waits for the lease anew. Returns when `signal` aborts.
   */
  async run(lead: (term: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, random, retryPeriodMs, metrics, name, log, identity } = this.#options;
    while (!signal.aborted) {
      if (await this.#tryAcquire(signal)) {
        metrics?.isLeader.set({ name }, 1);
        log.info({ lease: name, identity }, "leading");
        await this.#term(lead, signal);
        metrics?.isLeader.set({ name }, 0);
        log.info({ lease: name, identity }, "no longer leading");
      }
      await clock.sleep(retryPeriodMs * (0.8 + 0.4 * random.next()), signal).catch(() => undefined);
    }
  }

  async #term(lead: (term: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, retryPeriodMs } = this.#options;
    const term = new AbortController();
    const onAbort = (): void => term.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const leading = lead(term.signal).finally(() => term.abort(new KubernetesError("FENCED", "the work under the lease ended")));
    while (!term.signal.aborted) {
      await clock.sleep(retryPeriodMs, term.signal).catch(() => undefined);
      if (!term.signal.aborted && !(await this.#renewInTime(term.signal))) {
        term.abort(new KubernetesError("FENCED", `lease ${this.#options.name} was lost`));
      }
    }
    signal.removeEventListener("abort", onAbort);
    try {
      await leading;
    } finally {
      await this.#release();
    }
  }

  /** False once the lease is another's, or the deadline passed without a renewal. */
  async #renewInTime(signal: AbortSignal): Promise<boolean> {
    const { clock, retryPeriodMs } = this.#options;
    const deadlineMs = this.#leadingUntilMs ?? clock.nowMs();
    while (!signal.aborted) {
      const remainingMs = deadlineMs - clock.nowMs();
      if (remainingMs <= 0) return false;
      // A renewal that hangs must not keep us past the deadline.
      const renewed = await Promise.race([this.#tryAcquire(signal), clock.sleep(remainingMs, signal).then(() => undefined, () => undefined)]); // prettier-ignore
      if (renewed === true) return true;
      if (this.#observed) return false;
      await clock.sleep(Math.min(retryPeriodMs, Math.max(0, deadlineMs - clock.nowMs())), signal).catch(() => undefined);
    }
    return true;
  }

  /** One attempt to take or renew. False: another holds it, or the API server did not answer. */
  async #tryAcquire(signal: AbortSignal): Promise<boolean> {
    const { client, clock, namespace, name, identity, leaseDurationMs, renewDeadlineMs, log } = this.#options;
    const startedAtMs = clock.nowMs();
    try {
      const current = await client.get(leases, { namespace, name });
      if (current && this.#heldByOther(current)) return false;
      const spec = nextSpec(current?.spec, { identity, leaseDurationMs, nowMs: clock.nowMs() });
      const desired: Lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: current ? current.metadata : { name, namespace },
        spec,
      };
      if (signal.aborted) return false;
      // The resource version makes a second taker fail with a conflict.
      await (current ? client.replace(leases, desired) : client.create(leases, desired));
      this.#observed = undefined;
      this.#leadingUntilMs = startedAtMs + renewDeadlineMs;
      return true;
    } catch (error) {
      if (!isKubernetesError(error, "CONFLICT", "ALREADY_EXISTS"))
        log.warn({ err: error, lease: name }, "the lease was not renewed");
      return false;
    }
  }

  #heldByOther(current: Stored<Lease>): boolean {
    const { clock, identity, isPredecessor } = this.#options;
    const { holderIdentity, leaseDurationSeconds = 0 } = current.spec ?? {};
    if (!holderIdentity || holderIdentity === identity || isPredecessor(holderIdentity)) return false;
    const { resourceVersion } = current.metadata;
    if (this.#observed?.resourceVersion !== resourceVersion) this.#observed = { resourceVersion, sinceMs: clock.nowMs() };
    return clock.nowMs() - this.#observed.sinceMs < leaseDurationSeconds * 1000;
  }

  /** Hands the lease on, so that the next one need not wait for it to expire. */
  async #release(): Promise<void> {
    const { client, namespace, name, identity, log } = this.#options;
    this.#leadingUntilMs = undefined;
    try {
      const current = await client.get(leases, { namespace, name });
      if (current?.spec?.holderIdentity !== identity) return;
      await client.replace(leases, { ...current, spec: { ...current.spec, holderIdentity: "", leaseDurationSeconds: 1 } });
    } catch (error) {
      log.debug({ err: error, lease: name }, "the lease was not handed back; it expires");
    }
  }
}

function nextSpec(
  current: Lease["spec"],
  { identity, leaseDurationMs, nowMs }: { identity: string; leaseDurationMs: number; nowMs: number },
): NonNullable<Lease["spec"]> {
  const now = rfc3339Micro(nowMs);
  const ours = current?.holderIdentity === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
    acquireTime: ours ? (current.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: ours ? (current.leaseTransitions ?? 0) : (current?.leaseTransitions ?? -1) + 1,
  };
}
