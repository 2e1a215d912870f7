import { seededRandom } from "@bellwether/service-kit/random";
import { expect, test } from "vitest";
import { healedEvery, tryFlips } from "../testing/flips.ts";

const count = 300;

test.each([
  ["encrypted", Buffer.alloc(32, 7)],
  ["not encrypted", null],
])("one flipped bit or a cut in any object, %s, is refused, never restored, and healed from the other copies", async (_, key) => {
  const result = await tryFlips({ count, random: seededRandom(4), key });
  expect(result).toEqual({ tried: count, detected: count, handedOut: 0, healed: count / healedEvery, objects: 5 });
});
