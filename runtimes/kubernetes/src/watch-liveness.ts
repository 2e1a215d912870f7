import type { Check } from "@bellwether/service-kit/check";
import type { Clock } from "@bellwether/service-kit/clock";
import type { Logger } from "@bellwether/service-kit/logger";
import type { KubernetesClient } from "./client.ts";
import { messageOf } from "@bellwether/service-kit/coded-error";

export interface WatchLivenessOptions {
  readonly informers: readonly { readonly resource: { readonly kind: string }; blindMs(): number }[];
  /** A client on a connection of its own: the connection of the watches may be what is broken. */
  readonly probe: Pick<KubernetesClient, "raw">;
  readonly clock: Clock;
  readonly log: Logger;
  /** A watch may be blind so long before it is looked into; default 60 s. */
  readonly blindLimitMs?: number;
  readonly intervalMs?: number;
}

/**
 * Liveness of what watches: fails only when the API server answers and a watch is blind all the same, for then a restart
 * helps. An API server that is away is no reason to restart: everybody would, again and again.
 */
export class WatchLiveness {
  readonly #options: Required<WatchLivenessOptions>;
  #check: Check;

  constructor(options: WatchLivenessOptions) {
    this.#options = { blindLimitMs: 60_000, intervalMs: 10_000, ...options };
    this.#check = { name: "watches", ok: true, message: "not looked at yet", sinceMs: options.clock.nowMs() };
  }

  /** For the health server's `live`. */
  check(): Check {
    return this.#check;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look();
      await this.#options.clock.sleep(this.#options.intervalMs, signal).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { informers, blindLimitMs, probe } = this.#options;
    const blind = informers.filter((informer) => informer.blindMs() > blindLimitMs);
    if (blind.length === 0) {
      this.#set(true, "every watch stands");
      return;
    }
    const kinds = blind.map(({ resource }) => resource.kind).join(", ");
    try {
      const { status } = await probe.raw("/version", { timeoutMs: 5000 });
      if (status === 200) this.#set(false, `the API server answers, but the watch of ${kinds} is blind`);
      else this.#set(true, `the watch of ${kinds} is blind, and the API server answers with status ${status}`);
    } catch (error) {
      this.#set(true, `the watch of ${kinds} is blind, as the API server is away: ${messageOf(error)}`);
    }
  }

  #set(ok: boolean, message: string): void {
    const { clock, log } = this.#options;
    if (ok !== this.#check.ok) log.warn({ ok, message }, "liveness of the watches changed");
    const sinceMs = ok === this.#check.ok ? this.#check.sinceMs : clock.nowMs();
    this.#check = { name: "watches", ok, message, sinceMs };
  }
}
