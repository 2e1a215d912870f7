import fc from "fast-check";
import { expect, test } from "vitest";
import { KubernetesError } from "./errors.ts";
import { LineSplitter } from "./line-splitter.ts";

test("gives the lines of a stream however it is cut into chunks", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1 })), fc.array(fc.nat(40)), (texts, cuts) => {
      const lines = texts.map((text) => JSON.stringify(text));
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const seen: string[] = [];
      const splitter = new LineSplitter((line) => seen.push(line));
      let start = 0;
      for (const cut of [...cuts, bytes.length]) {
        splitter.push(bytes.subarray(start, start + cut));
        start = Math.min(bytes.length, start + cut);
      }
      expect(seen).toEqual(lines);
    }),
  );
});

test("refuses a line above its bound instead of keeping it", () => {
  const splitter = new LineSplitter(() => undefined, 10);
  splitter.push(Buffer.from("12345"));
  expect(() => splitter.push(Buffer.from("678901"))).toThrow(KubernetesError);
});
