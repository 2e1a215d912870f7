import { describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { Death, Died, DyingCopy } from "../testing/dying-copies.ts";
import { GivenCheckpoint, filesOf } from "../testing/given-checkpoint.ts";
import { givenSource } from "../testing/given-source.ts";
import { MemoryCopy } from "../testing/memory-copy.ts";
import { randomBytes } from "../testing/random-bytes.ts";

const hourMs = 3_600_000;
const shared = randomBytes(2_800, seededRandom(1));
/** Two files, one of which stays as it is from snapshot to snapshot. */
const stateOf = (seed: number) => [givenSource("Journal", { a: shared, b: randomBytes(2_800, seededRandom(seed)) })];
const mostCalls = 500;

interface World {
  readonly checkpoint: GivenCheckpoint;
  readonly copies: readonly MemoryCopy[];
  readonly later: (ms: number) => void;
}

/** Two copies with two snapshots an hour apart. */
async function world(): Promise<World> {
  const checkpoint = new GivenCheckpoint();
  const copies = [new MemoryCopy("disk"), new MemoryCopy("bucket")];
  const later = (ms: number): void => {
    checkpoint.nowMs += ms;
    for (const copy of copies) copy.nowMs = checkpoint.nowMs;
  };
  for (const seed of [2, 3]) {
    await checkpoint.snapshot(copies, stateOf(seed));
    later(hourMs);
  }
  return { checkpoint, copies, later };
}

/** Lets a job die at each of its calls in turn. @returns how many there were */
async function dieEverywhere(
  when: "before" | "after",
  job: (world: World, copies: readonly DyingCopy[]) => Promise<unknown>,
  then: (world: World) => Promise<void>,
): Promise<number> {
  for (let at = 1; at < mostCalls; at++) {
    const given = await world();
    const death = new Death(at, when);
    const dying = given.copies.map((copy) => new DyingCopy(copy, death));
    const error = await job(given, dying).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!death.happened) return at - 1;
    expect(error).toBeInstanceOf(Died);
    await then(given);
  }
  throw new Error(`more than ${mostCalls} calls`);
}

async function newestIs({ checkpoint, copies }: World, seed: number): Promise<void> {
  for (const copy of copies) {
    const files = await filesOf(await checkpoint.open([copy]), "Journal");
    expect(files["a"]?.equals(shared)).toBe(true);
    expect(files["b"]?.equals(randomBytes(2_800, seededRandom(seed)))).toBe(true);
  }
}

async function isSound({ checkpoint, copies }: World): Promise<void> {
  expect(await checkpoint.verify(copies)).toMatchObject({
    lost: [],
    verifiedCopies: 2,
    copies: [{ damaged: 0 }, { damaged: 0 }],
  });
}

describe.each(["before", "after"] as const)("a process that dies %s any of its calls", (when) => {
  test("while it takes a snapshot leaves the one before; the next run takes it, and pruning leaves nothing over", async () => {
    const calls = await dieEverywhere(
      when,
      ({ checkpoint }, copies) => checkpoint.snapshot(copies, stateOf(4)),
      async (given) => {
        const { checkpoint, copies, later } = given;
        // Whichever of the two it is on a copy: whole.
        for (const copy of copies) await filesOf(await checkpoint.open([copy]), "Journal");
        await isSound(given);
        later(hourMs);
        expect((await checkpoint.snapshot(copies, stateOf(5))).copies.map((copy) => copy.state)).toEqual([
          "Verified",
          "Verified",
        ]);
        await newestIs(given, 5);
        later(hourMs);
        await checkpoint.prune(copies);
        for (const copy of copies) expect(copy.keys()).toHaveLength(3);
        await newestIs(given, 5);
      },
    );
    expect(calls).toBeGreaterThan(15);
  });

  test("while it prunes leaves every snapshot whole that is still there; the next run finishes it", async () => {
    const calls = await dieEverywhere(
      when,
      ({ checkpoint }, copies) => checkpoint.prune(copies),
      async (given) => {
        const { checkpoint, copies } = given;
        await newestIs(given, 3);
        await checkpoint.prune(copies);
        for (const copy of copies) expect(copy.keys()).toHaveLength(3);
        await isSound(given);
        await newestIs(given, 3);
      },
    );
    expect(calls).toBeGreaterThan(15);
  });

  test("while it rebuilds what is damaged loses nothing; the next run finishes it", async () => {
    const calls = await dieEverywhere(
      when,
      async ({ checkpoint, copies }, dying) => {
        copies[0]!.damage(copies[0]!.keys("chunks/")[0]!, (bytes) => bytes.subarray(1));
        copies[1]!.damage(copies[1]!.keys("manifests/")[0]!, (bytes) => bytes.subarray(1));
        await checkpoint.verify(dying);
      },
      async (given) => {
        await given.checkpoint.verify(given.copies);
        await isSound(given);
        await newestIs(given, 3);
      },
    );
    expect(calls).toBeGreaterThan(15);
  });
});
