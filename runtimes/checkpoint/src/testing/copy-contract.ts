import { expect, test } from "vitest";
import type { Copy } from "../copies/copy.ts";

/** What every copy promises, whatever it is made of. @param given a copy with nothing in it */
export function keepsTheContractOfCopies(given: () => Copy): void {
  const text = (bytes: Buffer | undefined): string | undefined => bytes?.toString("utf8");
  const keysOf = async (copy: Copy, prefix: string): Promise<string[]> =>
    (await Array.fromAsync(copy.list(prefix))).map(({ key }) => key).toSorted();

  test("keeps what is put, replaces it, and forgets it when it is deleted", async () => {
    const copy = given();
    const key = "chunks/ab/x";
    expect(await copy.get(key)).toBeUndefined();
    expect(await copy.put(key, Buffer.from("one"), { ifAbsent: false })).toBe(true);
    expect(text(await copy.get(key))).toBe("one");
    expect(await copy.put(key, Buffer.from("two"), { ifAbsent: false })).toBe(true);
    expect(text(await copy.get(key))).toBe("two");
    await copy.delete(key);
    await copy.delete(key);
    expect(await copy.get(key)).toBeUndefined();
  });

  test("leaves what stands when asked to, whoever comes first", async () => {
    const copy = given();
    const put = (content: string): Promise<boolean> => copy.put("manifests/m", Buffer.from(content), { ifAbsent: true });
    const written = await Promise.all(["a", "b", "c"].map(put));
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(text(await copy.get("manifests/m"))).toBe("abc"[written.indexOf(true)]);
    expect(await put("d")).toBe(false);
  });

  test("gives back any bytes as they were, none and many", async () => {
    const copy = given();
    const bytes = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, index) => index % 251));
    for (const [key, content] of [
      ["quarantine/empty", Buffer.alloc(0)],
      ["quarantine/bytes", bytes],
      ["quarantine/large", Buffer.concat(Array.from({ length: 60 }, () => bytes))],
    ] as const) {
      await copy.put(key, content, { ifAbsent: true });
      expect((await copy.get(key))?.equals(content)).toBe(true);
    }
  });

  test("lists what begins with a prefix, with its size and when it was written", async () => {
    const copy = given();
    for (const key of ["chunks/ab/x", "chunks/ac/y", "journal/1", "journal/2"])
      await copy.put(key, Buffer.from(key), { ifAbsent: true });
    expect(await keysOf(copy, "chunks/")).toEqual(["chunks/ab/x", "chunks/ac/y"]);
    expect(await keysOf(copy, "journal/1")).toEqual(["journal/1"]);
    expect(await keysOf(copy, "handled/")).toEqual([]);
    const [object] = await Array.fromAsync(copy.list("journal/1"));
    expect(object?.bytes).toBe(9);
    expect(object!.modifiedMs).toBeGreaterThan(Date.UTC(2026, 0));
  });
}
