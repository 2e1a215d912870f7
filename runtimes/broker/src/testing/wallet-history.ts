import type { Random } from "@bellwether/service-kit";
import { type AttemptObservation, resolveAttempt } from "../venues/solana/resolve-attempt.ts";

type Resolve = typeof resolveAttempt;

export interface WalletHistory {
  /** Transactions of the one intent that are on the chain for good. More than one: money was moved twice. */
  readonly landings: number;
  /** What the resolver said of an attempt that then turned out otherwise. */
  readonly untrue: readonly string[];
  readonly attempts: number;
  readonly forks: number;
  readonly lastMoments: number;
}

interface Attempt {
  readonly lastValid: number;
  /** Sent, and waiting in the pool of whoever may include it. */
  readonly atLastMoment: boolean;
  landedAt: number | undefined;
  said: "landed" | "never" | undefined;
}

interface Source {
  lag: number;
  /** How far the node that searches is behind the one that tells its height. */
  searchLag: number;
  /** Stands still at this height. */
  frozenAt: number | undefined;
  frozenSince: number;
  /** Has lost its history; never all of them at once. */
  blind: boolean;
}

const validBlocks = 20;
const finality = 8;
const steps = 240;
const mostAttempts = 6;
/** Blocks after which a source that stands still is found out. */
const foundOutAfter = 5;

/**
 * One generated life of an intent on a chain with forks, late landing, lagging, frozen and forgetful sources: the wallet signs, asks, and signs anew only when
 * `resolve` says that nothing can land any more. A mutant takes its place to show that histories notice.
 */
export function walletHistory(random: Random, resolve: Resolve = resolveAttempt): WalletHistory {
  const chance = (ratio: number): boolean => random.next() < ratio;
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const sources: Source[] = Array.from({ length: 3 }, () => ({
    lag: 0,
    searchLag: 0,
    frozenAt: undefined,
    frozenSince: 0,
    blind: false,
  }));
  const attempts: Attempt[] = [];
  const untrue: string[] = [];
  let height = finality;
  /** What is finalized stays, however many forks follow one another. */
  let root = 0;
  let [forks, lastMoments] = [0, 0];

  const sign = (): void => {
    attempts.push({ lastValid: height + validBlocks, atLastMoment: chance(0.5), landedAt: undefined, said: undefined });
  };
  const block = (): void => {
    height += 1;
    root = Math.max(root, height - finality);
    for (const attempt of attempts) {
      if (attempt.landedAt !== undefined || height > attempt.lastValid) continue;
      const lands = attempt.atLastMoment ? height === attempt.lastValid : chance(0.02);
      if (!lands) continue;
      attempt.landedAt = height;
      if (height === attempt.lastValid) lastMoments += 1;
    }
  };
  const fork = (): void => {
    forks += 1;
    height = Math.max(root, height - 1 - below(finality));
    for (const attempt of attempts) if (attempt.landedAt !== undefined && attempt.landedAt > height) attempt.landedAt = undefined;
  };
  const observe = (attempt: Attempt, source: Source, index: number): AttemptObservation => {
    const { lag, searchLag, frozenAt, frozenSince, blind } = source;
    const processed = Math.max(0, Math.min(height - lag, frozenAt ?? height));
    const searched = Math.max(0, processed - searchLag);
    const healthy = frozenAt === undefined || height - frozenSince < foundOutAfter;
    const landedAt = !blind && attempt.landedAt !== undefined && attempt.landedAt <= searched ? attempt.landedAt : undefined;
    const observation = {
      source: `s${index}`,
      healthy,
      processedHeight: BigInt(processed),
      finalizedHeight: BigInt(Math.max(0, processed - finality)),
      finalizedSlot: BigInt(Math.max(0, processed - finality)),
      searchedSlot: BigInt(searched),
    };
    if (landedAt === undefined) return observation;
    const commitment = landedAt <= searched - finality ? ("finalized" as const) : ("confirmed" as const);
    return { ...observation, status: { slot: BigInt(landedAt), commitment, failed: false } };
  };
  const look = (): void => {
    const attempt = attempts.at(-1);
    if (!attempt || attempt.said === "landed") return;
    const { kind } = resolve(
      BigInt(attempt.lastValid),
      sources.map((source, index) => observe(attempt, source, index)),
    );
    if (kind === "landed" || kind === "never") attempt.said = kind;
    if (kind === "never" && attempts.length < mostAttempts) sign();
  };
  const disturb = (): void => {
    const source = sources[below(sources.length)];
    if (!source) return;
    source.lag = below(6);
    source.searchLag = chance(0.5) ? below(2 * finality) : 0;
    source.frozenAt = source.frozenAt === undefined && chance(0.5) ? height : undefined;
    source.frozenSince = height;
    for (const other of sources) other.blind = false;
    source.blind = chance(0.3);
  };

  sign();
  for (let step = 0; step < steps; step += 1) {
    if (chance(0.7)) block();
    else if (chance(0.15)) fork();
    else if (chance(0.2)) disturb();
    else look();
  }
  // Whatever may still land, lands.
  for (let count = 0; count <= validBlocks + finality; count += 1) block();
  for (const { said, landedAt } of attempts)
    if ((said === "never") === (landedAt !== undefined) && said !== undefined) untrue.push(`${said}, and it was not so`);
  return {
    landings: attempts.filter(({ landedAt }) => landedAt !== undefined).length,
    untrue,
    attempts: attempts.length,
    forks,
    lastMoments,
  };
}

/** Mutants of the resolver: signing anew too early, each in a way that somebody has lost money by. */
export const earlyResigns: Readonly<Record<string, Resolve>> = {
  "processed heights count as final": (lastValid, observations) =>
    resolve(
      lastValid,
      observations.map((observation) => ({ ...observation, finalizedHeight: observation.processedHeight })),
    ),
  "whoever searched, the search counts": (lastValid, observations) =>
    resolve(
      lastValid,
      observations.map((observation) => ({ ...observation, searchedSlot: observation.finalizedSlot })),
    ),
  "one source is proof enough": (lastValid, observations) =>
    resolve(
      lastValid,
      observations.flatMap((observation) => [observation, observation]),
    ),
  "nobody asks whether it landed": (lastValid, observations) =>
    resolve(
      lastValid,
      observations.map(({ status: _status, ...observation }) => observation),
    ),
};

function resolve(lastValid: bigint, observations: readonly AttemptObservation[]): ReturnType<Resolve> {
  return resolveAttempt(lastValid, observations);
}
