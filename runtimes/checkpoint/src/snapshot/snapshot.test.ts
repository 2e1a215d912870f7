import { describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { GivenCheckpoint, filesOf } from "../testing/given-checkpoint.ts";
import { givenSource } from "../testing/given-source.ts";
import { MemoryCopy } from "../testing/memory-copy.ts";
import { dumpLike, randomBytes } from "../testing/random-bytes.ts";

const intentsBytes = 2_500_000;
const journal = {
  "journal/intents.copy": dumpLike(intentsBytes, seededRandom(1)),
  "journal/verdicts.copy": randomBytes(900_000, seededRandom(2)),
  "journal/empty.copy": Buffer.alloc(0),
};
const position = { systemIdentifier: "source", highWater: 42, schema: { risk: 3 } };
const state = [givenSource("Journal", journal, { position }), givenSource("Specs", { "specs.json": Buffer.from("[]") })];

function threeCopies(): [MemoryCopy, MemoryCopy, MemoryCopy] {
  return [new MemoryCopy("disk"), new MemoryCopy("bucket"), new MemoryCopy("database")];
}
const flipFirst = (bytes: Buffer): Buffer => {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
};

/** Gives back every chunk with a bit flipped. */
class LyingCopy extends MemoryCopy {
  override async get(key: string): Promise<Buffer | undefined> {
    const bytes = await super.get(key);
    return key.startsWith("chunks/") && bytes ? flipFirst(bytes) : bytes;
  }
}

describe("a snapshot", () => {
  test("comes back with the paths, bytes and positions it was taken with, from any one copy", async () => {
    const copies = threeCopies();
    const checkpoint = new GivenCheckpoint();
    const outcome = await checkpoint.snapshot(copies, state);
    expect(outcome.copies.map((copy) => copy.state)).toEqual(["Verified", "Verified", "Verified"]);
    for (const copy of copies) {
      const snapshot = await checkpoint.open([copy]);
      expect(snapshot.id).toBe(outcome.id);
      expect(snapshot.position("Journal")).toEqual(position);
      expect(snapshot.position("Memory")).toBeUndefined();
      const files = await filesOf(snapshot, "Journal");
      expect(Object.keys(files)).toEqual(Object.keys(journal));
      for (const [path, bytes] of Object.entries(journal)) expect(files[path]?.equals(bytes)).toBe(true);
    }
  });

  test("stores what is new only, and follows the one before", async () => {
    const [copy] = threeCopies();
    const checkpoint = new GivenCheckpoint();
    const first = await checkpoint.snapshot([copy], state);
    checkpoint.nowMs += 3_600_000;
    const grown = { ...journal, "journal/intents.copy": Buffer.concat([journal["journal/intents.copy"], Buffer.from("more\n")]) };
    const second = await checkpoint.snapshot([copy], [givenSource("Journal", grown, { position })]);
    expect(second.sequence).toBe(first.sequence + 1);
    expect(second.copies[0]!.storedBytes).toBeLessThan(0.5 * first.copies[0]!.storedBytes);
    expect(copy.keys("manifests/")).toHaveLength(2);
    expect((await filesOf(await checkpoint.open([copy], first.id), "Journal"))["journal/intents.copy"]).toHaveLength(
      intentsBytes,
    );
  });

  test("names absent sources with why", async () => {
    const checkpoint = new GivenCheckpoint();
    const absent = { name: "Memory", open: async () => ({ because: "no memory service runs" }) } as const;
    const outcome = await checkpoint.snapshot([threeCopies()[0]], [absent]);
    expect(outcome.sources).toEqual([{ name: "Memory", bytes: 0, absent: "no memory service runs" }]);
  });

  test("goes on without a copy that fails, and says which and why", async () => {
    const [disk, bucket, database] = threeCopies();
    bucket.unreachable = true;
    database.readOnly = true;
    const outcome = await new GivenCheckpoint().snapshot([disk, bucket, database], state);
    expect(outcome.copies.map(({ name, state, fault }) => [name, state, fault?.code])).toEqual([
      ["disk", "Verified", undefined],
      ["bucket", "Unreachable", "COPY_UNREACHABLE"],
      ["database", "Failed", "COPY_READ_ONLY"],
    ]);
    expect(database.keys()).toEqual([]);
  });

  test("is none when no copy takes it", async () => {
    const copies = threeCopies();
    for (const copy of copies) copy.readOnly = true;
    expect((await new GivenCheckpoint().snapshot(copies, state)).id).toBeUndefined();
  });

  test("never counts a copy on the server that the state comes from", async () => {
    const [disk, , database] = threeCopies();
    database.identityIs = { kind: "postgres", failureDomain: "elsewhere", systemIdentifier: "source" };
    const outcome = await new GivenCheckpoint().snapshot([disk, database], state);
    expect(outcome.copies[1]).toMatchObject({ state: "Failed", fault: { code: "COPY_IS_SOURCE" } });
    expect(database.keys()).toEqual([]);
  });

  test("does not count on a copy that gives back something else than was written", async () => {
    const [disk] = threeCopies();
    const lying = new LyingCopy("bucket");
    const outcome = await new GivenCheckpoint().snapshot([disk, lying], state);
    expect(outcome.copies[1]).toMatchObject({ state: "Failed", fault: { code: "COPY_READ_BACK_DIFFERS" } });
    expect(lying.keys()).toHaveLength(1);
    expect(lying.keys("chunks/")).toHaveLength(1);
  });

  test("rebuilds what it finds damaged among the chunks it would share", async () => {
    const [disk] = threeCopies();
    const checkpoint = new GivenCheckpoint();
    await checkpoint.snapshot([disk], state);
    const [damaged] = disk.keys("chunks/");
    disk.damage(damaged!, flipFirst);
    const outcome = await checkpoint.snapshot([disk], state);
    expect(outcome.copies[0]).toMatchObject({ state: "Verified", mended: 1 });
    expect(disk.keys("quarantine/")).toHaveLength(1);
    expect((await checkpoint.verify([disk])).copies[0]).toMatchObject({ damaged: 0, state: "Verified" });
  });

  test("is dated after the one before even when the clock was set back, and says so", async () => {
    const [disk] = threeCopies();
    const checkpoint = new GivenCheckpoint();
    const first = await checkpoint.snapshot([disk], state);
    checkpoint.nowMs -= 86_400_000;
    const second = await checkpoint.snapshot([disk], state);
    expect(second.takenAtMs).toBe(first.takenAtMs + 1);
    expect(second.warnings).toMatchObject([{ code: "CLOCK_BEHIND" }]);
    expect((await checkpoint.open([disk])).id).toBe(second.id);
  });

  test("is not finished when a later run has taken its place", async () => {
    const [disk] = threeCopies();
    const checkpoint = new GivenCheckpoint();
    const slow = givenSource("Journal", journal);
    const overtaken = {
      ...slow,
      open: async (signal: AbortSignal) => {
        await checkpoint.snapshot([disk], state);
        return slow.open(signal);
      },
    };
    await expect(checkpoint.snapshot([disk], [overtaken])).rejects.toMatchObject({ code: "SNAPSHOT_OVERDUE" });
    expect(disk.keys("manifests/")).toHaveLength(1);
  });

  test.each([
    ["two files of one path", ["a", "a"]],
    ["a path that leads elsewhere", ["../a"]],
  ])("refuses a source that gives %s", async (_, paths) => {
    const source = {
      name: "Specs",
      open: async () => ({
        position: {},
        close: () => Promise.resolve(),
        async *files() {
          for (const path of paths) yield { path, content: (async function* () {})() };
        },
      }),
    } as const;
    const taking = new GivenCheckpoint().snapshot([threeCopies()[0]], [source]);
    await expect(taking).rejects.toMatchObject({ code: "SOURCE_INVALID" });
  });
});

describe("reading", () => {
  test("takes each chunk from whichever copy has it sound, and rebuilds the others at once", async () => {
    const copies = threeCopies();
    const checkpoint = new GivenCheckpoint();
    await checkpoint.snapshot(copies, state);
    for (const [index, key] of copies[0].keys("chunks/").entries()) copies[index % 3]?.damage(key, flipFirst);
    const snapshot = await checkpoint.open(copies);
    const files = { ...(await filesOf(snapshot, "Specs")), ...(await filesOf(snapshot, "Journal")) };
    for (const [path, bytes] of Object.entries(journal)) expect(files[path]?.equals(bytes)).toBe(true);
    expect(copies[0].keys("quarantine/").length).toBeGreaterThan(0);
    expect((await checkpoint.verify([copies[0]])).copies[0]).toMatchObject({ state: "Verified", damaged: 0 });
  });

  test("goes on with any two of three copies destroyed", async () => {
    for (const left of [0, 1, 2]) {
      const copies = threeCopies();
      const checkpoint = new GivenCheckpoint();
      await checkpoint.snapshot(copies, state);
      for (const [index, copy] of copies.entries()) if (index !== left) copy.objects.clear();
      expect(Object.keys(await filesOf(await checkpoint.open(copies), "Journal"))).toEqual(Object.keys(journal));
    }
  });

  test("says what is lost when no copy has a chunk unharmed, and never hands out what is damaged", async () => {
    const [disk] = threeCopies();
    const checkpoint = new GivenCheckpoint();
    await checkpoint.snapshot([disk], state);
    for (const key of disk.keys("chunks/")) disk.damage(key, flipFirst);
    await expect(filesOf(await checkpoint.open([disk]), "Journal")).rejects.toMatchObject({ code: "CONTENT_LOST" });
  });

  test("with another key finds no snapshot, says so and changes nothing", async () => {
    const [disk] = threeCopies();
    await new GivenCheckpoint().snapshot([disk], state);
    const before = disk.keys();
    const other = new GivenCheckpoint({ key: Buffer.alloc(32, 9) });
    await expect(other.open([disk])).rejects.toMatchObject({ code: "SNAPSHOT_NOT_FOUND", message: /not configured here/ });
    expect((await other.verify([disk])).lost).toMatchObject([{ fault: { code: "KEY_UNKNOWN" } }]);
    other.nowMs += 365 * 86_400_000;
    await other.prune([disk]);
    expect(disk.keys()).toEqual(before);
  });
});
