import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FailPoints, noFailPoints } from "../fail-points.ts";
import { SendLog, type SendLogLimits, type SendRecord } from "./send-log.ts";

describe("the send log", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "bellwether-send-log-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (limits?: SendLogLimits): Promise<SendLog> =>
    SendLog.open(directory, { failPoints: noFailPoints, ...(limits ? { limits } : {}) });
  const record = (order: string): SendRecord => ({ kind: "void", order, riskEpoch: 1, writerEpoch: 2, atMs: 3 });
  const written = async (...orders: string[]): Promise<void> => {
    const log = await open();
    await Promise.all(orders.map((order) => log.append(record(order))));
    await log.close();
  };
  const history = async (): Promise<string[]> => {
    const orders: string[] = [];
    for await (const records of (await open()).history())
      orders.push(...records.flatMap((record) => ("order" in record ? record.order : [])));
    return orders;
  };
  const files = (): string[] => readdirSync(directory).sort();

  test("gives back what earlier processes wrote, in order", async () => {
    await written("a", "b");
    await written("c");
    expect(await history()).toEqual(["a", "b", "c"]);
  });

  test("does not read what a process that has been superseded writes afterwards into its own file", async () => {
    const old = await open();
    await old.append(record("a"));
    await written("b");
    await old.append(record("late"));
    await old.close();
    expect(files()).toEqual(["send-00000001.log", "send-00000002.log"]);
    expect(await history()).toEqual(["a", "late", "b"]);
  });

  test("leaves out a record that was not finished", async () => {
    await written("a", "b");
    const file = join(directory, "send-00000001.log");
    truncateSync(file, readFileSync(file).length - 1);
    expect(await history()).toEqual(["a"]);
  });

  test("syncs records that come during a sync together, keeps their order, and loses them together when that is torn", async () => {
    let syncs = 0;
    const failPoints: FailPoints = { pass: (name) => void (syncs += name === "append-synced" ? 1 : 0) };
    const log = await SendLog.open(directory, { failPoints });
    await log.append(record("first"));
    const orders = Array.from({ length: 20 }, (_, index) => `o${index}`);
    await Promise.all(orders.map((order) => log.append(record(order))));
    await log.close();
    expect(syncs).toBe(3);
    expect(await history()).toEqual(["first", ...orders]);
    const file = join(directory, "send-00000001.log");
    truncateSync(file, readFileSync(file).length - 1);
    expect(await history()).toEqual(["first", "o0"]);
  });

  test("refuses a damaged one before the end", async () => {
    await written("a", "b");
    const file = join(directory, "send-00000001.log");
    const bytes = readFileSync(file);
    bytes[12] = (bytes[12] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await expect(history()).rejects.toMatchObject({ code: "LOG_CORRUPT" });
  });

  test("begins a new file when one is full, and drops the oldest beyond the limit at a start", async () => {
    const log = await open({ segmentBytes: 50, totalBytes: 1_000 });
    for (const order of ["a", "b", "c"]) await log.append(record(order));
    await log.close();
    expect(files()).toHaveLength(3);
    await (await open({ segmentBytes: 50, totalBytes: 200 })).prune();
    expect(await history()).toEqual(["b", "c"]);
  });
});
