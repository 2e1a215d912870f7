import { beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { GivenCheckpoint } from "../testing/given-checkpoint.ts";
import { givenSource } from "../testing/given-source.ts";
import { MemoryCopy } from "../testing/memory-copy.ts";
import { randomBytes } from "../testing/random-bytes.ts";

const files = Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => [`f${seed}`, randomBytes(2_000, seededRandom(seed))]));
const state = [givenSource("Journal", files)];
const truncate = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1);

describe("verification", () => {
  let checkpoint: GivenCheckpoint;
  let disk: MemoryCopy;
  let bucket: MemoryCopy;
  let chunks: string[];

  beforeEach(async () => {
    checkpoint = new GivenCheckpoint();
    [disk, bucket] = [new MemoryCopy("disk"), new MemoryCopy("bucket")];
    await checkpoint.snapshot([disk, bucket], state);
    chunks = disk.keys("chunks/");
  });

  test("finds all copies sound", async () => {
    const outcome = await checkpoint.verify([disk, bucket]);
    expect(outcome).toMatchObject({ snapshots: 1, verifiedCopies: 2, lost: [], forks: [] });
    expect(outcome.copies[0]).toMatchObject({ checked: chunks.length + 1, damaged: 0, missing: 0 });
  });

  test("brings back what is damaged or missing, chunks before manifests", async () => {
    bucket.damage(chunks[0]!, truncate);
    bucket.objects.delete(chunks[1]!);
    bucket.objects.delete(bucket.keys("manifests/")[0]!);
    disk.damage(disk.keys("manifests/")[0]!, (bytes) => bytes);
    const outcome = await checkpoint.verify([disk, bucket]);
    expect(outcome.copies[1]).toMatchObject({ state: "Verified", damaged: 1, missing: 2, rebuilt: 3 });
    expect(bucket.keys("quarantine/")).toHaveLength(1);
    expect(await checkpoint.verify([bucket])).toMatchObject({ verifiedCopies: 1, copies: [{ damaged: 0, missing: 0 }] });
  });

  test("fills a copy that was away while the snapshot was taken", async () => {
    const late = new MemoryCopy("late");
    expect((await checkpoint.verify([disk, late])).verifiedCopies).toBe(2);
    expect(late.keys("chunks/")).toEqual(chunks);
    expect(late.keys("manifests/")).toEqual(disk.keys("manifests/"));
  });

  test("rebuilds a damaged manifest from the other copy", async () => {
    const [manifest] = disk.keys("manifests/");
    disk.damage(manifest!, truncate);
    expect((await checkpoint.verify([disk, bucket])).copies[0]).toMatchObject({ state: "Verified", damaged: 1, rebuilt: 1 });
    expect((await checkpoint.verify([disk])).verifiedCopies).toBe(1);
  });

  test("names the snapshots that nothing can give back, and leaves what is left of them", async () => {
    for (const copy of [disk, bucket]) copy.damage(chunks[0]!, truncate);
    const before = disk.keys();
    const outcome = await checkpoint.verify([disk, bucket]);
    expect(outcome).toMatchObject({ verifiedCopies: 0, lost: [{ fault: { code: "CONTENT_LOST" } }] });
    expect(outcome.copies.map((copy) => copy.state)).toEqual(["Failed", "Failed"]);
    expect(disk.keys()).toEqual(before);
  });

  test("calls nothing lost while a copy does not answer", async () => {
    disk.damage(chunks[0]!, truncate);
    bucket.unreachable = true;
    const outcome = await checkpoint.verify([disk, bucket]);
    expect(outcome.lost).toEqual([]);
    expect(outcome.copies.map((copy) => copy.state)).toEqual(["Failed", "Unreachable"]);
  });

  test("tells a copy that can only be read from one that is sound", async () => {
    bucket.damage(chunks[0]!, truncate);
    bucket.readOnly = true;
    expect((await checkpoint.verify([disk, bucket])).copies[1]).toMatchObject({
      state: "Failed",
      fault: { code: "COPY_READ_ONLY" },
    });
  });

  test("reads a share at a time, and with all shares everything", async () => {
    let checked = 0;
    for (let part = 0; part < 7; part++) {
      const outcome = await checkpoint.verify([disk], { part, of: 7 });
      checked += outcome.copies[0]!.checked - 1;
    }
    expect(checked).toBe(chunks.length);
  });

  test("counts foreign objects and leaves them alone", async () => {
    const foreign = ["holiday.jpg", "chunks/zz/not-ours", "manifests/latest"];
    for (const key of foreign) await disk.put(key, Buffer.from("foreign"), { ifAbsent: true });
    expect((await checkpoint.verify([disk])).copies[0]).toMatchObject({ state: "Verified", foreign: foreign.length });
    checkpoint.nowMs += 365 * 86_400_000;
    disk.nowMs = checkpoint.nowMs;
    await checkpoint.prune([disk]);
    expect(disk.keys()).toEqual(expect.arrayContaining(foreign));
  });

  test("sees when two operators have taken snapshots side by side", async () => {
    const [before] = disk.keys("manifests/");
    const other = new GivenCheckpoint({ owner: "uid-2" });
    const apart = new MemoryCopy("apart");
    for (const [key, { bytes }] of disk.objects) await apart.put(key, bytes, { ifAbsent: true });
    checkpoint.nowMs += 1_000;
    other.nowMs += 2_000;
    await checkpoint.snapshot([disk], state);
    await other.snapshot([apart], state);
    const { forks, verifiedCopies } = await checkpoint.verify([disk, apart]);
    expect(forks).toMatchObject([{ previous: before, by: { length: 2 } }]);
    expect(verifiedCopies).toBe(2);
  });
});
