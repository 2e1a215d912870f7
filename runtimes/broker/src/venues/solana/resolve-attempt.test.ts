import { array, assert, boolean, constant, integer, oneof, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { type AttemptObservation, type AttemptResolution, resolveAttempt } from "./resolve-attempt.ts";

const last = 1_000n;
const from = (source: string, finalizedHeight: bigint, change: Partial<AttemptObservation> = {}): AttemptObservation => ({
  source,
  healthy: true,
  finalizedHeight,
  finalizedSlot: finalizedHeight,
  processedHeight: finalizedHeight + 32n,
  searchedSlot: finalizedHeight + 32n,
  ...change,
});
const status = (commitment: "processed" | "confirmed" | "finalized", failed = false, slot = 77n) => ({
  status: { slot, commitment, failed },
});

describe("signed bytes", () => {
  test.each<{ when: string; observations: AttemptObservation[]; is: AttemptResolution }>([
    {
      when: "a healthy source has them finalized",
      observations: [from("a", 900n, status("finalized"))],
      is: { kind: "landed", slot: 77n, failed: false },
    },
    {
      when: "they failed on chain",
      observations: [from("a", 900n, status("finalized", true))],
      is: { kind: "landed", slot: 77n, failed: true },
    },
    {
      when: "only a source that is not believed has them finalized",
      observations: [from("a", 2_000n, { ...status("finalized"), healthy: false }), from("b", 2_000n), from("c", 2_000n)],
      is: { kind: "seen", commitment: "confirmed" },
    },
    {
      when: "two sources tell different endings",
      observations: [from("a", 900n, status("finalized")), from("b", 900n, status("finalized", true))],
      is: { kind: "contradiction" },
    },
    {
      when: "they are in a block that a fork may drop",
      observations: [from("a", 900n, status("processed")), from("b", 900n, status("confirmed"))],
      is: { kind: "seen", commitment: "confirmed" },
    },
    {
      when: "nobody has seen them and they may land",
      observations: [from("a", 900n), from("b", 900n)],
      is: { kind: "rebroadcast" },
    },
    {
      when: "processed heights are past, finalized ones are not",
      observations: [from("a", 999n), from("b", 999n)],
      is: { kind: "waiting", proofs: 0 },
    },
    {
      when: "finalized heights stand at the last one that may hold them",
      observations: [from("a", 1_000n), from("b", 1_000n)],
      is: { kind: "waiting", proofs: 0 },
    },
    {
      when: "the node that searched has not got as far as the one that told its height",
      observations: [from("a", 1_001n, { searchedSlot: 1_000n }), from("b", 1_001n)],
      is: { kind: "waiting", proofs: 1 },
    },
    {
      when: "one source alone has finalized past",
      observations: [from("a", 1_001n), from("b", 999n)],
      is: { kind: "waiting", proofs: 1 },
    },
    { when: "one source alone is configured", observations: [from("a", 9_999n)], is: { kind: "waiting", proofs: 1 } },
    {
      when: "the second that is past is not believed",
      observations: [from("a", 1_001n), from("b", 1_001n, { healthy: false })],
      is: { kind: "waiting", proofs: 1 },
    },
    {
      when: "two have finalized past and know nothing",
      observations: [from("a", 1_001n), from("b", 1_002n)],
      is: { kind: "never", sources: ["a", "b"] },
    },
    {
      when: "two prove it and a third has seen them",
      observations: [from("a", 1_001n), from("b", 1_002n), from("c", 900n, status("processed"))],
      is: { kind: "seen", commitment: "processed" },
    },
    { when: "nobody answers", observations: [], is: { kind: "waiting", proofs: 0 } },
  ])("when $when", ({ observations, is }) => {
    expect(resolveAttempt(last, observations)).toEqual(is);
  });
});

/** A chain as far as landing goes: blocks by height, the newest of which forks may replace, and sources that see it late. */
class Model {
  readonly lastValid = 30;
  readonly finality = 8;
  height = 0;
  /** What is finalized stays, however many forks follow one another. */
  root = 0;
  landedAt: number | undefined;

  block(takes: boolean): void {
    this.height += 1;
    this.root = Math.max(this.root, this.height - this.finality);
    if (takes && this.landedAt === undefined && this.height <= this.lastValid) this.landedAt = this.height;
  }

  fork(blocks: number): void {
    this.height = Math.max(this.root, this.height - blocks);
    if (this.landedAt !== undefined && this.landedAt > this.height) this.landedAt = undefined;
  }

  /** `searchLag`: how far the node that searches is behind the one that tells its height. */
  observe(source: string, { lag, searchLag, healthy }: { lag: number; searchLag: number; healthy: boolean }): AttemptObservation {
    const processed = Math.max(0, this.height - lag);
    const searched = Math.max(0, processed - searchLag);
    const finalized = Math.max(0, processed - this.finality);
    const seen = this.landedAt !== undefined && this.landedAt <= searched;
    const commitment = this.landedAt !== undefined && this.landedAt <= searched - this.finality ? "finalized" : "processed";
    const observed = from(source, BigInt(finalized), {
      processedHeight: BigInt(processed),
      searchedSlot: BigInt(searched),
      healthy,
    });
    return seen ? { ...observed, ...status(commitment, false, BigInt(this.landedAt ?? 0)) } : observed;
  }
}

describe("on any chain, with forks above what is finalized and sources that lag", () => {
  const step = oneof(
    record({ do: constant("block" as const), takes: boolean() }),
    record({ do: constant("fork" as const), blocks: integer({ min: 1, max: 12 }) }),
    record({
      do: constant("look" as const),
      lags: array(record({ lag: integer({ min: 0, max: 10 }), searchLag: integer({ min: 0, max: 80 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      healthy: boolean(),
    }),
  );

  test("`never` is said only of what never lands, and `landed` only of what stays", () => {
    assert(
      property(array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        let said: AttemptResolution["kind"] | undefined;
        for (const next of steps) {
          if (next.do === "block") model.block(next.takes);
          else if (next.do === "fork") model.fork(next.blocks);
          else {
            const observations = next.lags.map((lags, index) =>
              model.observe(`s${index}`, { ...lags, healthy: index > 0 || next.healthy }),
            );
            const { kind } = resolveAttempt(BigInt(model.lastValid), observations);
            if (kind === "never" || kind === "landed") said = kind;
          }
          if (said === "never") expect(model.landedAt).toBeUndefined();
          if (said === "landed") expect(model.landedAt).toBeDefined();
        }
      }),
    );
  });
});
