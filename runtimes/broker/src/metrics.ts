import type { Metrics } from "@bellwether/service-kit";
import type { BrokerOrder, WireFill } from "@bellwether/trading";
import type { BrokerErrorCode } from "./errors.ts";

/** What a broker counts. Names are part of the interface for dashboards; see README.md. */
export class BrokerMetrics {
  readonly #submissions;
  readonly #submitSeconds;
  readonly #refusals;
  readonly #fills;
  readonly #tracked;
  readonly #unknown;
  readonly #discrepancies;

  constructor(metrics: Metrics, sampled: { feedState(): string; listeners(): number; referencesMissing(): number }) {
    this.#submissions = metrics.counter("bellwether_broker_submissions_total", {
      help: "Approvals taken to the venue, by what came of them at first (Unknown is settled later), and refused ones.",
      labels: ["outcome"],
    });
    this.#refusals = metrics.counter("bellwether_broker_refusals_total", {
      help: "Approvals that were refused before anything was recorded, by code.",
      labels: ["code"],
    });
    this.#submitSeconds = metrics.histogram("bellwether_broker_submit_seconds", {
      help: "From the approval's arrival to the answer: two synced records and the venue in between.",
    });
    this.#fills = metrics.counter("bellwether_broker_fills_total", { help: "Executions recorded, by leg.", labels: ["leg"] });
    this.#tracked = metrics.gauge("bellwether_broker_tracked_orders", {
      help: "Orders that something may still happen to at the venue.",
    });
    this.#unknown = metrics.gauge("bellwether_broker_unknown_orders", {
      help: "Orders whose outcome at the venue is not known.",
    });
    this.#discrepancies = metrics.gauge("bellwether_broker_discrepancies", {
      help: "Orders on which journal and venue disagree: nothing new is bought until a person has looked.",
    });
    const state = metrics.gauge("bellwether_broker_feed_running", { help: "1 while bars come, or have come to their end." });
    const listeners = metrics.gauge("bellwether_broker_stream_listeners", { help: "Open event streams." });
    Object.assign(state, { collect: () => state.set(["running", "ended"].includes(sampled.feedState()) ? 1 : 0) });
    const missing = metrics.gauge("bellwether_broker_references_missing", {
      help: "Markets that have no price of the account's second source now; 0 where it has none.",
    });
    Object.assign(missing, { collect: () => missing.set(sampled.referencesMissing()) });
    Object.assign(listeners, { collect: () => listeners.set(sampled.listeners()) });
  }

  submitted(outcome: BrokerOrder["state"] | "Refused", seconds: number): void {
    this.#submissions.inc({ outcome });
    this.#submitSeconds.observe(seconds);
  }

  refused(code: BrokerErrorCode): void {
    this.#refusals.inc({ code });
  }

  filled(fills: readonly WireFill[]): void {
    for (const { leg } of fills) this.#fills.inc({ leg });
  }

  swept(counts: { tracked: number; unknown: number; discrepancies: number }): void {
    this.#tracked.set(counts.tracked);
    this.#unknown.set(counts.unknown);
    this.#discrepancies.set(counts.discrepancies);
  }
}
