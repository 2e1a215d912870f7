import { describe, expect, test } from "vitest";
import { decodeChanges, formatLsn, parseLsn, wholeXid } from "./decode-changes.ts";

const short = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const long = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const message = (kind: string, ...parts: Buffer[]): { data: Buffer } => ({ data: Buffer.concat([Buffer.from(kind), ...parts]) });
/** "n": null, "u": left as it was. */
const tuple = (...values: (string | null | undefined)[]): Buffer =>
  Buffer.concat([
    short(values.length),
    ...values.map((value) => {
      if (value === null) return Buffer.from("n");
      if (value === undefined) return Buffer.from("u");
      return Buffer.concat([Buffer.from("t"), int(Buffer.byteLength(value)), Buffer.from(value)]);
    }),
  ]);

const begin = (xid: number) => message("B", long(0n), long(0n), int(xid));
const commit = (endLsn: bigint) => message("C", Buffer.from([0]), long(0n), long(endLsn), long(0n));
const column = (name: string, key: boolean): Buffer =>
  Buffer.concat([Buffer.from([key ? 1 : 0]), text(name), int(25), int(0xffffffff)]);
const relation = (id: number, table: string) =>
  message("R", int(id), text("risk"), text(table), Buffer.from("d"), short(2), column("id", true), column("body", false));
const newRow = (...values: (string | null | undefined)[]): Buffer => Buffer.concat([Buffer.from("N"), tuple(...values)]);
const everything = (): boolean => true;

describe("what Postgres decodes of its log", () => {
  test("becomes transactions in their order, with keys and rows", () => {
    const messages = [
      begin(7),
      relation(1, "orders"),
      message("I", int(1), newRow("a", "é\n")),
      message("U", int(1), newRow("a", null)),
      commit(0x1_0000_0010n),
      begin(9),
      message("U", int(1), newRow("a", undefined)),
      message("U", int(1), Buffer.from("K"), tuple("a", null), newRow("b", "moved")),
      message("D", int(1), Buffer.from("K"), tuple("b", null)),
      commit(0x1_0000_0020n),
    ];
    expect(decodeChanges(messages, everything, 100n)).toEqual([
      {
        xid: "7",
        endLsn: "1/10",
        changes: [
          { op: "insert", table: "risk.orders", key: { id: "a" }, row: { id: "a", body: "é\n" } },
          { op: "update", table: "risk.orders", key: { id: "a" }, row: { id: "a", body: null } },
        ],
      },
      {
        xid: "9",
        endLsn: "1/20",
        changes: [
          { op: "update", table: "risk.orders", key: { id: "a" }, row: { id: "a" } },
          { op: "update", table: "risk.orders", key: { id: "a" }, row: { id: "b", body: "moved" } },
          { op: "delete", table: "risk.orders", key: { id: "b" } },
        ],
      },
    ]);
  });

  test("leaves out tables that are not shipped, and messages of other programs", () => {
    const messages = [
      begin(7),
      relation(1, "cache"),
      message("M", text("x")),
      message("I", int(1), newRow("a", "b")),
      commit(16n),
    ];
    const [transaction] = decodeChanges(messages, (table) => table !== "risk.cache", 100n);
    expect(transaction?.changes).toEqual([]);
  });

  test.each([
    { when: "a kind it does not know", messages: [message("Z")] },
    { when: "a truncated table", messages: [begin(1), message("T", int(1))] },
    { when: "a change outside a transaction", messages: [relation(1, "orders"), message("I", int(1), newRow("a", "b"))] },
    { when: "a table it was not told of", messages: [begin(1), message("I", int(1), newRow("a", "b"))] },
    { when: "a row of other columns", messages: [begin(1), relation(1, "orders"), message("I", int(1), newRow("a"))] },
    { when: "a row without its key", messages: [begin(1), relation(1, "orders"), message("I", int(1), newRow(null, "b"))] },
    { when: "a message cut short", messages: [{ data: Buffer.from("B123") }] },
    { when: "a commit alone", messages: [commit(1n)] },
  ])("is refused at $when", ({ messages }) => {
    expect(() => decodeChanges(messages, everything, 100n)).toThrow(expect.objectContaining({ code: "WIRE_UNKNOWN" }));
  });
});

test.each([
  { xid: 5, next: 6n, whole: 5n },
  { xid: 0xffff_ffff, next: 0x1_0000_0003n, whole: 0xffff_ffffn },
  { xid: 2, next: 0x1_0000_0003n, whole: 0x1_0000_0002n },
])("the lower half $xid before $next is transaction $whole", ({ xid, next, whole }) => {
  expect(wholeXid(xid, next)).toBe(whole);
});

test.each(["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"])("place %s in the log is read as it is written", (place) => {
  expect(formatLsn(parseLsn(place))).toBe(place);
});
