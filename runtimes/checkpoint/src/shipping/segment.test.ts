import fc from "fast-check";
import { expect, test } from "vitest";
import { type Segment, decodeSegment, encodeSegment, segmentKey, segmentPlace } from "./segment.ts";

const segment: Segment = {
  header: {
    format: 1,
    series: "bellwether_ship_ab_1",
    sequence: 12,
    previous: "",
    systemIdentifier: "7000",
    database: "bellwether",
    toLsn: "0/20",
    shippedAtMs: 1,
    transactions: 1,
  },
  transactions: [
    {
      xid: "740",
      endLsn: "0/10",
      changes: [{ op: "insert", table: "risk.orders", key: { id: "1" }, row: { id: "1", body: "a\nb", reason: null } }],
    },
  ],
};
const key = segmentKey("bellwether_ship_ab_1", 12);
const refused = expect.objectContaining({ code: "SEGMENT_INVALID" });

test("a segment is read as it was written, under its own key only", () => {
  const { bytes, sha256 } = encodeSegment(segment);
  expect(decodeSegment(key, bytes)).toEqual({ segment, sha256 });
  expect(() => decodeSegment(segmentKey("bellwether_ship_ab_1", 13), bytes)).toThrow(refused);
  expect(segmentPlace(key)).toEqual({ series: "bellwether_ship_ab_1", sequence: 12 });
  expect(segmentPlace(`${key}.tmp`)).toBeUndefined();
});

test("a segment of which a byte is another, or the end is missing, is refused", () => {
  const { bytes } = encodeSegment(segment);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      expect(() => decodeSegment(key, cut ? bytes.subarray(0, at) : damaged)).toThrow(refused);
    }),
  );
});

test("a segment that says other numbers than it holds is refused", () => {
  const { bytes } = encodeSegment({ ...segment, header: { ...segment.header, transactions: 2 } });
  expect(() => decodeSegment(key, bytes)).toThrow(refused);
});
