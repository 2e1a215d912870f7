import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeFrames, encodeFrame } from "./frames.ts";

const payloads = fc.array(fc.string({ minLength: 1, maxLength: 60 }), { maxLength: 8 });

describe("records on disk", () => {
  test("come back as they were written", () => {
    fc.assert(
      fc.property(payloads, (texts) => {
        expect(decodeFrames(Buffer.concat(texts.map(encodeFrame)))).toEqual({ payloads: texts, wholeBytes: expect.any(Number) });
      }),
    );
  });

  test("a torn last record is cut, whatever part of it reached the disk, and none before it", () => {
    fc.assert(
      fc.property(payloads, fc.string({ minLength: 1, maxLength: 60 }), fc.nat(), (texts, last, cut) => {
        const whole = Buffer.concat(texts.map(encodeFrame));
        const torn = encodeFrame(last);
        const bytes = Buffer.concat([whole, torn.subarray(0, cut % torn.length)]);
        expect(decodeFrames(bytes)).toEqual({ payloads: texts, wholeBytes: whole.length });
      }),
    );
  });

  test("a last record that was allocated and not written is cut", () => {
    const whole = encodeFrame("kept");
    const zeros = Buffer.concat([whole, encodeFrame("lost").fill(0, 8)]);
    expect(decodeFrames(zeros)).toEqual({ payloads: ["kept"], wholeBytes: whole.length });
  });

  test("zeros behind the last record are not records", () => {
    const whole = encodeFrame("kept");
    expect(decodeFrames(Buffer.concat([whole, Buffer.alloc(64)]))).toEqual({ payloads: ["kept"], wholeBytes: whole.length });
  });

  test("a flipped bit before the end is damage, not a tail", () => {
    const bytes = Buffer.concat([encodeFrame("one"), encodeFrame("two"), encodeFrame("three")]);
    const at = encodeFrame("one").length;
    bytes[at + 9] = (bytes[at + 9] ?? 0) ^ 1;
    expect(decodeFrames(bytes)).toEqual({ payloads: ["one"], wholeBytes: at, damagedAt: at });
  });
});
