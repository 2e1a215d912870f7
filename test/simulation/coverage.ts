import { transactionSteps } from "@bellwether/postgres";
import { failPointNames as brokerPoints } from "../../runtimes/broker/src/fail-points.ts";
import { failPointNames as riskPoints } from "../../runtimes/risk/src/fail-points.ts";
import { chainFaults } from "./world/chain-model.ts";
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

/** What goes wrong between services, besides what goes wrong at the venue. */
const serviceFaults = [
  "decision-reply-lost",
  "approval-lost",
  "approval-late",
  "approval-reply-lost",
  "approval-reset",
  "commit-reply-lost",
  "journal-outage",
] as const;
export const faults = [...exchangeFaults, ...serviceFaults, ...chainFaults] as const;
export type Fault = (typeof faults)[number];

export interface Pair {
  readonly step: Step;
  readonly fault: Fault;
}

export type VenueKind = "exchange" | "chain";

const isChainFault = (fault: Fault): boolean => (chainFaults as readonly string[]).includes(fault);

function pairsOf(kind: VenueKind): readonly Pair[] {
  // Only a wallet signs bytes of its own.
  const own = steps.filter((step) => kind === "chain" || step !== "broker:after-signed-stored");
  return faults
    .filter((fault) => isChainFault(fault) === (kind === "chain"))
    .flatMap((fault) => own.map((step) => ({ step, fault })));
}

/** Every pair that can be: faults of exchanges and of services at an exchange, those of chains at a chain. */
export const pairs: Readonly<Record<VenueKind, readonly Pair[]>> = { exchange: pairsOf("exchange"), chain: pairsOf("chain") };
export const pairCount = pairs.exchange.length + pairs.chain.length;

/** The pairs that history `seed` tries: one after another, so that a run of histories tries all of them again and again. */
export function planOf(seed: number, episodes: number): { readonly venue: VenueKind; readonly planned: readonly Pair[] } {
  const venue = seed % 4 === 3 ? "chain" : "exchange";
  const first = (venue === "chain" ? Math.floor(seed / 4) : seed) * episodes;
  const list = pairs[venue];
  return {
    venue,
    planned: Array.from({ length: episodes }, (_, index) => list[(first + index) % list.length]).flatMap((pair) => pair ?? []),
  };
}

/** How often each step was crashed at while each fault happened. */
export class Coverage {
  readonly #hits = new Map<string, number>();

  constructor(hits: Iterable<readonly [string, number]> = []) {
    for (const [key, count] of hits) this.#hits.set(key, (this.#hits.get(key) ?? 0) + count);
  }

  /** For another {@link Coverage}. */
  get entries(): [string, number][] {
    return [...this.#hits];
  }

  hit(pair: Pair): void {
    this.#hits.set(keyOf(pair), this.hits(pair) + 1);
  }

  hits(pair: Pair): number {
    return this.#hits.get(keyOf(pair)) ?? 0;
  }

  get missed(): Pair[] {
    return [...pairs.exchange, ...pairs.chain].filter((pair) => this.hits(pair) === 0);
  }
}

function keyOf({ step, fault }: Pair): string {
  return `${step} × ${fault}`;
}
