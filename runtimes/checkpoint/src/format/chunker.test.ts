import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "@bellwether/service-kit/random";
import { randomBytes } from "../testing/random-bytes.ts";
import { Chunker, chunkBounds, chunksOf } from "./chunker.ts";
import { deriveKeys } from "./key-ring.ts";

const { gear } = deriveKeys(undefined);
const mebibyte = 1024 * 1024;

async function chunksOfPieces(pieces: readonly Buffer[]): Promise<Buffer[]> {
  return Array.fromAsync(
    chunksOf(
      (async function* () {
        yield* pieces;
      })(),
      gear,
    ),
  );
}

describe("cutting by content", () => {
  test("gives back all bytes in chunks within the bounds, one mebibyte on average", async () => {
    const content = randomBytes(32 * mebibyte, seededRandom(1));
    const chunks = await chunksOfPieces([content]);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
    for (const chunk of chunks.slice(0, -1)) expect(chunk.length).toBeGreaterThanOrEqual(chunkBounds.least);
    for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(chunkBounds.most);
    const average = content.length / chunks.length;
    expect(average).toBeGreaterThan(0.75 * mebibyte);
    expect(average).toBeLessThan(1.5 * mebibyte);
  });

  test("cuts at the same places however the stream comes", () => {
    const content = randomBytes(6 * mebibyte, seededRandom(2));
    const whole = lengthsOf([content]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: content.length }), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), content.length];
        const pieces = at.slice(1).map((end, index) => content.subarray(at[index], end));
        expect(lengthsOf(pieces)).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  test("leaves all chunks but those around a change as they were", async () => {
    const content = randomBytes(16 * mebibyte, seededRandom(3));
    const changed = Buffer.concat([content.subarray(0, 7_000_000), Buffer.from("inserted"), content.subarray(7_000_000)]);
    const before = new Set((await chunksOfPieces([content])).map((chunk) => chunk.toString("latin1")));
    const after = await chunksOfPieces([changed]);
    const anew = after.filter((chunk) => !before.has(chunk.toString("latin1")));
    expect(anew.length).toBeGreaterThan(0);
    expect(anew.length).toBeLessThanOrEqual(3);
  });

  test("cuts what never says where at the largest size, and makes nothing of nothing", async () => {
    const zeros = await chunksOfPieces([Buffer.alloc(9 * mebibyte)]);
    expect(zeros.map((chunk) => chunk.length)).toEqual([chunkBounds.most, chunkBounds.most, mebibyte]);
    expect(await chunksOfPieces([])).toEqual([]);
    expect(await chunksOfPieces([Buffer.alloc(0)])).toEqual([]);
    expect((await chunksOfPieces([Buffer.from("a"), Buffer.from("b")])).map(String)).toEqual(["ab"]);
  });
});

function lengthsOf(pieces: readonly Buffer[]): number[] {
  const chunker = new Chunker(gear);
  const chunks = pieces.flatMap((piece) => chunker.push(piece));
  const last = chunker.end();
  return [...chunks, ...(last ? [last] : [])].map((chunk) => chunk.length);
}
