import { failPointNames as brokerPoints } from "../../runtimes/broker/src/fail-points.ts";
import { failPointNames as riskPoints } from "../../runtimes/risk/src/fail-points.ts";
import { transactionSteps } from "@bellwether/postgres";
import { exchangeFaults } from "./world/exchange-wire.ts";

/** Where a process can end. */
export const steps = [
  "agent:before-post",
  "agent:after-reply",
  ...[...riskPoints, ...transactionSteps].map((step) => `risk:${step}` as const),
  ...[...brokerPoints, ...transactionSteps, "append-begins" as const, "append-synced" as const].map(
    (step) => `broker:${step}` as const,
  ),
] as const;
export type Step = (typeof steps)[number];

/** What goes wrong between services, besides what goes wrong at the exchange. */
export const serviceFaults = [
  "decision-reply-lost",
  "approval-lost",
  "approval-late",
  "approval-reply-lost",
  "approval-reset",
  "commit-reply-lost",
  "journal-outage",
] as const;
export const faults = [...exchangeFaults, ...serviceFaults] as const;
export type Fault = (typeof faults)[number];

export interface Pair {
  readonly step: Step;
  readonly fault: Fault;
}

export function pairAt(index: number): Pair {
  const step = steps[index % steps.length] ?? steps[0];
  const fault = faults[Math.floor(index / steps.length) % faults.length] ?? faults[0];
  return { step, fault };
}

export const pairCount = steps.length * faults.length;

/** How often each step was crashed at while each fault happened. */
export class Coverage {
  readonly #hits = new Map<string, number>();

  hit({ step, fault }: Pair): void {
    const key = `${step} × ${fault}`;
    this.#hits.set(key, (this.#hits.get(key) ?? 0) + 1);
  }

  hits({ step, fault }: Pair): number {
    return this.#hits.get(`${step} × ${fault}`) ?? 0;
  }

  add(other: Coverage): void {
    for (const [key, hits] of other.#hits) this.#hits.set(key, (this.#hits.get(key) ?? 0) + hits);
  }

  get missed(): Pair[] {
    return steps.flatMap((step) => faults.map((fault) => ({ step, fault })).filter((pair) => this.hits(pair) === 0));
  }
}
