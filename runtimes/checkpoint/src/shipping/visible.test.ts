import { expect, test } from "vitest";
import { isVisible, parseSnapshot } from "./visible.ts";

test.each([
  { snapshot: "10:20:", xid: 9n, visible: true },
  { snapshot: "10:20:", xid: 19n, visible: true },
  { snapshot: "10:20:", xid: 20n, visible: false },
  { snapshot: "10:20:10,15", xid: 10n, visible: false },
  { snapshot: "10:20:10,15", xid: 14n, visible: true },
  { snapshot: "4294967300:4294967310:4294967305", xid: 4294967305n, visible: false },
])("snapshot $snapshot sees transaction $xid: $visible", ({ snapshot, xid, visible }) => {
  expect(isVisible(xid, parseSnapshot(snapshot))).toBe(visible);
});

test.each(["", "1", "1:2", "a:b:", "1:2:3,", "1:2:,3"])("%j is refused as a snapshot", (text) => {
  expect(() => parseSnapshot(text)).toThrow(expect.objectContaining({ code: "WIRE_UNKNOWN" }));
});
