import { describe, expect, test } from "vitest";
import { fieldsOf, integersAt, messagesAt, textAt } from "./protobuf.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("the protobuf reader", () => {
  test("reads numbers of several bytes, and text", () => {
    const fields = fieldsOf(bytes(0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69));
    expect(integersAt(fields, 1)).toEqual([150]);
    expect(textAt(fields, 2)).toBe("hi");
  });

  test("reads integers packed and one by one", () => {
    expect(integersAt(fieldsOf(bytes(0x1a, 0x03, 0x02, 0x03, 0x05, 0x18, 0x07)), 3)).toEqual([2, 3, 5, 7]);
  });

  test("skips what it does not know, fixed widths included", () => {
    const fields = fieldsOf(bytes(0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x1a, 0x01, 0x41));
    expect(textAt(fields, 3)).toBe("A");
    expect(messagesAt(fields, 9)).toEqual([]);
  });

  test.each([
    ["within a number", bytes(0x08, 0x96)],
    ["within a field", bytes(0x12, 0x05, 0x68)],
    ["in a number without end", bytes(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255)],
    ["in a group", bytes(0x0b)],
  ])("refuses a message that ends %s", (_, message) => {
    expect(() => fieldsOf(message)).toThrow(RangeError);
  });
});
