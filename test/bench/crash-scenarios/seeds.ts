import type { PathSet } from "./measure.ts";

/** What defaults and programs may be looked at with, as often as one likes. */
export const DEVELOPMENT = { crash: seeds("crash", 1, 200), ordinary: seeds("ordinary", 1, 20), calm: seeds("calm", 1, 20) };

/**
 * What is run once defaults are frozen. Whoever changes a default, a limit or this bench's paths, programs or arms after having seen what comes of these takes
 * seeds that nobody has run, notes both in docs/evidence.md, and moves the first seed here. 1,000,001 and up judged the first defaults (RapidLoss over 15 minutes).
 */
export const EVALUATION = {
  crash: seeds("crash", 2_000_001, 1_000),
  ordinary: seeds("ordinary", 2_000_001, 60),
  calm: seeds("calm", 2_000_001, 60),
};

/** For breakers that were chosen on the development seeds and are not the defaults: run once, and the evaluation set of those defaults should they become them. */
export const CANDIDATE = {
  crash: seeds("crash", 3_000_001, 1_000),
  ordinary: seeds("ordinary", 3_000_001, 60),
  calm: seeds("calm", 3_000_001, 60),
};

function seeds(kind: PathSet["kind"], firstSeed: number, paths: number): PathSet {
  return { kind, firstSeed, paths };
}
