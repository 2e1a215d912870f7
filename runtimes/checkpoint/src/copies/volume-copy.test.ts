import { mkdir, mkdtemp, readFile, readdir, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { largestObjectBytes } from "./copy.ts";
import { VolumeCopy } from "./volume-copy.ts";

describe("a volume", () => {
  let directory: string;
  let copy: VolumeCopy;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "bellwether-volume-"));
    copy = new VolumeCopy({ name: "disk", directory, random: seededRandom(1) });
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test("keeps objects under their keys", async () => {
    expect(await copy.get("chunks/ab/x")).toBeUndefined();
    expect(await copy.put("chunks/ab/x", Buffer.from("one"), { ifAbsent: false })).toBe(true);
    expect(String(await copy.get("chunks/ab/x"))).toBe("one");
    expect(await copy.put("chunks/ab/x", Buffer.from("two"), { ifAbsent: false })).toBe(true);
    expect(String(await readFile(path.join(directory, "chunks/ab/x")))).toBe("two");
    await copy.delete("chunks/ab/x");
    await copy.delete("chunks/ab/x");
    await copy.delete("never/there");
    expect(await copy.get("chunks/ab/x")).toBeUndefined();
  });

  test("leaves what stands when asked to, whoever comes first", async () => {
    const put = (text: string): Promise<boolean> => copy.put("manifests/m", Buffer.from(text), { ifAbsent: true });
    const written = await Promise.all(["a", "b", "c"].map(put));
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(String(await copy.get("manifests/m"))).toBe("abc"[written.indexOf(true)]);
    expect(await readdir(path.join(directory, "manifests"))).toEqual(["m"]);
  });

  test("lists what begins with a prefix, with sizes and times, half-written files left out", async () => {
    for (const key of ["chunks/ab/x", "chunks/ac/y", "chunkss", "manifests/m"])
      await copy.put(key, Buffer.from(key), { ifAbsent: true });
    await writeFile(path.join(directory, "chunks/ab/z.writing-1a2b"), "half");
    const keys = async (prefix: string): Promise<string[]> =>
      (await Array.fromAsync(copy.list(prefix))).map(({ key }) => key).toSorted();
    expect(await keys("chunks/")).toEqual(["chunks/ab/x", "chunks/ac/y"]);
    expect(await keys("chunks/a")).toEqual(["chunks/ab/x", "chunks/ac/y"]);
    expect(await keys("chunks/ab/x")).toEqual(["chunks/ab/x"]);
    expect(await keys("")).toEqual(["chunks/ab/x", "chunks/ac/y", "chunkss", "manifests/m"]);
    expect(await keys("nothing/")).toEqual([]);
    const [object] = await Array.fromAsync(copy.list("manifests/"));
    expect(object).toMatchObject({ key: "manifests/m", bytes: 11 });
    expect(object!.modifiedMs).toBeGreaterThan(Date.UTC(2026, 0));
  });

  test("sweeps half-written files that are old enough", async () => {
    await copy.put("chunks/ab/x", Buffer.from("x"), { ifAbsent: true });
    for (const [name, seconds] of [
      ["old.writing-1", 1_000],
      ["young.writing-2", 3_000],
    ] as const) {
      await writeFile(path.join(directory, "chunks/ab", name), "half");
      await utimes(path.join(directory, "chunks/ab", name), seconds, seconds);
    }
    expect(await copy.sweep(2_000_000)).toBe(1);
    expect(await readdir(path.join(directory, "chunks/ab"))).toEqual(["x", "young.writing-2"]);
  });

  test("that is not mounted is unreachable: never an empty one, and never made", async () => {
    const absent = new VolumeCopy({ name: "disk", directory: path.join(directory, "absent"), random: seededRandom(1) });
    const unreachable = expect.objectContaining({ code: "COPY_UNREACHABLE" });
    await expect(absent.get("chunks/ab/x")).rejects.toEqual(unreachable);
    await expect(absent.put("chunks/ab/x", Buffer.from("x"), { ifAbsent: true })).rejects.toEqual(unreachable);
    await expect(Array.fromAsync(absent.list("chunks/"))).rejects.toEqual(unreachable);
    await expect(absent.identity()).rejects.toEqual(unreachable);
    expect(await readdir(directory)).toEqual([]);
  });

  test("does not read what is too large to be ours, nor through a link", async () => {
    await writeFile(path.join(directory, "huge"), "");
    await truncate(path.join(directory, "huge"), largestObjectBytes + 1);
    await expect(copy.get("huge")).rejects.toMatchObject({ code: "OBJECT_TOO_LARGE" });
    await mkdir(path.join(directory, "chunks"));
    await symlink("/etc/hostname", path.join(directory, "chunks/link"));
    await expect(copy.get("chunks/link")).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
    expect(await Array.fromAsync(copy.list("chunks/"))).toEqual([]);
  });

  test("has no keys that lead out of it", async () => {
    await expect(copy.get("../outside")).rejects.toThrow("leads out of the volume");
  });
});
