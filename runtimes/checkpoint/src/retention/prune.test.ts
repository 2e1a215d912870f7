import { beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { GivenCheckpoint, filesOf } from "../testing/given-checkpoint.ts";
import { givenSource } from "../testing/given-source.ts";
import { MemoryCopy } from "../testing/memory-copy.ts";
import { randomBytes } from "../testing/random-bytes.ts";

const hourMs = 3_600_000;
const stateOf = (seed: number) => [givenSource("Journal", { a: randomBytes(3_000, seededRandom(seed)) })];

describe("pruning", () => {
  let checkpoint: GivenCheckpoint;
  let disk: MemoryCopy;
  let bucket: MemoryCopy;
  const later = (ms: number): void => {
    checkpoint.nowMs += ms;
    disk.nowMs = bucket.nowMs = checkpoint.nowMs;
  };

  beforeEach(async () => {
    checkpoint = new GivenCheckpoint();
    [disk, bucket] = [new MemoryCopy("disk"), new MemoryCopy("bucket")];
    for (const seed of [1, 2, 3]) {
      later(hourMs);
      await checkpoint.snapshot([disk, bucket], stateOf(seed));
    }
    later(hourMs);
  });

  test("removes what retention no longer wants, and then what nothing names", async () => {
    const outcome = await checkpoint.prune([disk, bucket], { hourly: 2, daily: 0, weekly: 0 });
    expect(outcome.removed).toHaveLength(1);
    expect(outcome.copies).toMatchObject([{ chunks: 1 }, { chunks: 1 }]);
    expect(disk.keys("chunks/")).toHaveLength(2);
    expect((await checkpoint.verify([disk, bucket])).lost).toEqual([]);
  });

  test("never collects a chunk that a manifest of any copy names", async () => {
    const [oldest] = bucket.keys("manifests/");
    // Only the bucket has the oldest, and only the disk its chunk: together they still can give it back.
    disk.objects.delete(oldest!);
    const keep = { hourly: 3, daily: 0, weekly: 0 };
    expect((await checkpoint.prune([disk, bucket], keep)).copies).toMatchObject([{ chunks: 0 }, { chunks: 0 }]);
  });

  test("leaves chunks that are younger than the grace", async () => {
    await disk.put(`chunks/aa/${"a".repeat(64)}`, Buffer.from("about to be named"), { ifAbsent: true });
    later(hourMs - 1);
    const outcome = await checkpoint.prune([disk], { hourly: 9, daily: 0, weekly: 0 }, hourMs);
    expect(outcome.copies[0]!.chunks).toBe(0);
    later(2);
    expect((await checkpoint.prune([disk], { hourly: 9, daily: 0, weekly: 0 }, hourMs)).copies[0]!.chunks).toBe(1);
  });

  test("measures the grace by the copy's clock when this one is ahead", async () => {
    await disk.put(`chunks/aa/${"a".repeat(64)}`, Buffer.from("about to be named"), { ifAbsent: true });
    checkpoint.nowMs += 24 * hourMs;
    expect((await checkpoint.prune([disk], { hourly: 9, daily: 0, weekly: 0 }, hourMs)).copies[0]!.chunks).toBe(0);
  });

  test("collects nothing while a copy does not answer: nobody knows what it names", async () => {
    bucket.unreachable = true;
    const outcome = await checkpoint.prune([disk, bucket]);
    expect(outcome).toMatchObject({
      postponed: "COPY_UNKNOWN",
      copies: [{ chunks: 0 }, { fault: { code: "COPY_UNREACHABLE" } }],
    });
    expect(disk.keys("chunks/")).toHaveLength(3);
  });

  test("collects nothing while a manifest that stays cannot be read on any copy", async () => {
    const newest = disk.keys("manifests/").at(-1)!;
    for (const copy of [disk, bucket]) copy.damage(newest, (bytes) => bytes.subarray(1));
    const outcome = await checkpoint.prune([disk, bucket], { hourly: 2, daily: 0, weekly: 0 });
    expect(outcome).toMatchObject({ postponed: "MANIFEST_UNREADABLE", unreadable: [{ fault: { code: "CONTENT_LOST" } }] });
    expect(disk.keys("chunks/")).toHaveLength(3);
  });

  test("removes no snapshot when none that would stay can be read", async () => {
    const newest = disk.keys("manifests/").at(-1)!;
    for (const copy of [disk, bucket]) copy.damage(newest, (bytes) => bytes.subarray(1));
    expect((await checkpoint.prune([disk, bucket])).removed).toEqual([]);
  });

  test("gives way while another owner takes a snapshot, and the other way round", async () => {
    const other = new GivenCheckpoint({ owner: "uid-2" });
    other.nowMs = checkpoint.nowMs;
    let pruned: unknown;
    const meanwhile = {
      name: "Specs",
      open: async () => {
        pruned = await checkpoint.prune([disk]).catch((error: unknown) => error);
        return { because: "none" };
      },
    } as const;
    await other.snapshot([disk], [meanwhile]);
    expect(pruned).toMatchObject({ code: "COPIES_BUSY" });
    expect((await checkpoint.prune([disk])).removed).not.toEqual([]);
  });

  test("takes over what a run of its own that died has left locked, and waits for another's until it has run out", async () => {
    const dying = (): Promise<unknown> =>
      new GivenCheckpoint().snapshot([disk], [{ name: "Specs", open: () => Promise.reject(new Error("out of memory")) }]);
    await expect(dying()).rejects.toThrow("out of memory");
    const key = "locks/uid-2";
    const lock = {
      kind: "snapshot",
      owner: "uid-2",
      run: "r",
      takenAtMs: checkpoint.nowMs,
      expiresAtMs: checkpoint.nowMs + hourMs,
    };
    await disk.put(key, await checkpoint.envelope.seal(key, Buffer.from(JSON.stringify(lock))), { ifAbsent: false });
    await expect(checkpoint.prune([disk])).rejects.toMatchObject({ code: "COPIES_BUSY" });
    later(hourMs);
    expect((await checkpoint.prune([disk])).removed).not.toEqual([]);
  });

  test("forgets what was shipped before the oldest snapshot that stays, and nothing later", async () => {
    const segments: [string, number][] = [
      ["journal/a/1", -4 * hourMs],
      ["journal/a/2", -3 * hourMs],
      ["journal/a/3", -hourMs],
      ["journal/a/4", 0],
    ];
    for (const [key, ageMs] of segments) {
      disk.nowMs = checkpoint.nowMs + ageMs;
      await disk.put(key, Buffer.from(key), { ifAbsent: true });
    }
    later(0);
    expect((await checkpoint.prune([disk])).copies).toMatchObject([{ segments: 2 }]);
    expect(disk.keys("journal/")).toEqual(["journal/a/3", "journal/a/4"]);
  });

  test("forgets quarantined objects after a month", async () => {
    disk.damage(disk.keys("chunks/")[0]!, (bytes) => bytes.subarray(1));
    await checkpoint.verify([disk, bucket]);
    later(29 * 24 * hourMs);
    await checkpoint.prune([disk, bucket]);
    expect(disk.keys("quarantine/")).toHaveLength(1);
    later(2 * 24 * hourMs);
    await checkpoint.prune([disk, bucket]);
    expect(disk.keys("quarantine/")).toEqual([]);
  });

  test("leaves every snapshot that it keeps whole", async () => {
    await checkpoint.prune([disk, bucket], { hourly: 2, daily: 0, weekly: 0 });
    for (const { id, seed } of (await checkpoint.prune([disk, bucket], { hourly: 2, daily: 0, weekly: 0 })).kept.map(
      (id, index) => ({ id, seed: 3 - index }),
    )) {
      const { a } = await filesOf(await checkpoint.open([bucket], id), "Journal");
      expect(a?.equals(randomBytes(3_000, seededRandom(seed)))).toBe(true);
    }
  });
});
