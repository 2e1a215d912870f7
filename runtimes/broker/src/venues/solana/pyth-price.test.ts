import { parseDecimal } from "@bellwether/trading";
import type { Address } from "@solana/kit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePriceAccount, encodePriceUpdate, pythOracleProgram, pythReceiverProgram } from "../../testing/pyth-accounts.ts";
import { type PythAccount, judgePythPrice, parsePythAccount, sayPythVerdict } from "./pyth-price.ts";
import { systemProgram } from "./program-addresses.ts";

const nowMs = 1_700_000_000_000;
const fields = { price: 10_012_345_678n, confidence: 5_000_000n, publishedAtMs: nowMs - 2_000, slot: 77n };
const oracle: Address = pythOracleProgram;
const receiver: Address = pythReceiverProgram;
const parse = (owner: Address, data: Uint8Array): PythAccount => parsePythAccount({ owner, lamports: 1n, data });
const price = { price: 10_012_345_678n, confidence: 5_000_000n, exponent: -8, publishedAtMs: nowMs - 2_000, slot: 77n };

function edited(data: Uint8Array, edit: (view: DataView) => void): Uint8Array {
  edit(new DataView(data.buffer));
  return data;
}

describe("an account of Pyth's", () => {
  test.each([
    { kind: "a price account", owner: oracle, data: encodePriceAccount(fields) },
    { kind: "a price update", owner: receiver, data: encodePriceUpdate(fields) },
    { kind: "a price account cut right after the aggregate", owner: oracle, data: encodePriceAccount(fields).slice(0, 240) },
  ])("that is $kind is read", ({ owner, data }) => {
    expect(parse(owner, data)).toEqual({ readable: true, price });
  });

  test("is read where it lies within other bytes", () => {
    const data = encodePriceAccount(fields);
    const wider = new Uint8Array(data.length + 16);
    wider.set(data, 16);
    expect(parse(oracle, wider.subarray(16))).toEqual({ readable: true, price });
  });

  const cases: { why: string; owner: Address; data: Uint8Array; reason: string }[] = [
    { why: "belongs to somebody else", owner: systemProgram, data: encodePriceAccount(fields), reason: "OWNER_UNKNOWN" },
    { why: "is of the other program's kind", owner: receiver, data: encodePriceAccount(fields), reason: "MAGIC_WRONG" },
    { why: "is empty", owner: oracle, data: new Uint8Array(), reason: "TOO_SHORT" },
    { why: "ends within the aggregate", owner: oracle, data: encodePriceAccount(fields).slice(0, 239), reason: "TOO_SHORT" },
    { why: "ends within the message", owner: receiver, data: encodePriceUpdate(fields).slice(0, 132), reason: "TOO_SHORT" },
    {
      why: "has another magic number",
      owner: oracle,
      data: edited(encodePriceAccount(fields), (view) => view.setUint8(0, 0)),
      reason: "MAGIC_WRONG",
    },
    {
      why: "is of another version",
      owner: oracle,
      data: edited(encodePriceAccount(fields), (view) => view.setUint32(4, 3, true)),
      reason: "VERSION_UNKNOWN",
    },
    {
      why: "is a product's",
      owner: oracle,
      data: edited(encodePriceAccount(fields), (view) => view.setUint32(8, 2, true)),
      reason: "NOT_A_PRICE",
    },
    {
      why: "holds a volatility",
      owner: oracle,
      data: edited(encodePriceAccount(fields), (view) => view.setUint32(16, 3, true)),
      reason: "NOT_A_PRICE",
    },
    { why: "does not trade", owner: oracle, data: encodePriceAccount({ ...fields, status: 2 }), reason: "NOT_TRADING" },
    {
      why: "was verified in part",
      owner: receiver,
      data: edited(encodePriceUpdate(fields), (view) => view.setUint8(40, 0)),
      reason: "NOT_VERIFIED",
    },
    {
      why: "has an exponent that is out of all range",
      owner: oracle,
      data: encodePriceAccount({ ...fields, exponent: 2_000_000_000 }),
      reason: "EXPONENT_OUT_OF_RANGE",
    },
    {
      why: "has a finer exponent than money here",
      owner: receiver,
      data: encodePriceUpdate({ ...fields, exponent: -19 }),
      reason: "EXPONENT_OUT_OF_RANGE",
    },
    { why: "has a price of 0", owner: oracle, data: encodePriceAccount({ ...fields, price: 0n }), reason: "PRICE_NOT_POSITIVE" },
    {
      why: "has a price below 0",
      owner: receiver,
      data: encodePriceUpdate({ ...fields, price: -1n }),
      reason: "PRICE_NOT_POSITIVE",
    },
  ];
  test.each(cases)("that $why is no price: $reason", ({ owner, data, reason }) => {
    expect(parse(owner, data)).toMatchObject({ readable: false, reason });
  });

  test("that is not there is no price", () => {
    expect(parsePythAccount(undefined)).toMatchObject({ readable: false, reason: "ACCOUNT_MISSING" });
  });

  test("of any bytes is read or refused, never beyond its end", () => {
    fc.assert(
      fc.property(fc.constantFrom(oracle, receiver), fc.uint8Array({ maxLength: 300 }), fc.boolean(), (owner, noise, headed) => {
        const good = owner === oracle ? encodePriceAccount(fields) : encodePriceUpdate(fields);
        const data = headed ? new Uint8Array([...good.subarray(0, 41), ...noise]) : noise;
        const told = parse(owner, data);
        if (told.readable) expect(told.price.price).toBeGreaterThan(0n);
        else expect(told.message).not.toBe("");
      }),
    );
  });
});

describe("a price of Pyth's", () => {
  const limits = { maxAgeMs: 60_000, maxConfidenceRatio: parseDecimal("0.01") };

  test("that is fresh and sure is exact", () => {
    expect(judgePythPrice(price, nowMs, limits)).toEqual({ usable: true, price: parseDecimal("100.12345678") });
    expect(judgePythPrice({ ...price, price: 5n, confidence: 0n, exponent: 3 }, nowMs, limits)).toMatchObject({
      price: parseDecimal("5000"),
    });
  });

  test.each([
    { when: "as old as allowed", change: { publishedAtMs: nowMs - 60_000 }, usable: true },
    { when: "older", change: { publishedAtMs: nowMs - 60_001 }, usable: false, reason: "STALE", says: "60 s old" },
    { when: "a little ahead of this clock", change: { publishedAtMs: nowMs + 30_000 }, usable: true },
    {
      when: "far ahead of it",
      change: { publishedAtMs: nowMs + 31_000 },
      usable: false,
      reason: "FROM_THE_FUTURE",
      says: "ahead",
    },
    { when: "as sure as wanted", change: { price: 100n, confidence: 1n }, usable: true },
    {
      when: "less sure",
      change: { price: 100n, confidence: 2n, exponent: 0 },
      usable: false,
      reason: "CONFIDENCE_TOO_WIDE",
      says: "its price 100 is only sure to 2, more than 0.01 of it",
    },
  ])("$when counts: $usable", ({ change, usable, reason, says }) => {
    const verdict = judgePythPrice({ ...price, ...change }, nowMs, limits);
    expect(verdict).toMatchObject(reason === undefined ? { usable } : { usable, reason });
    if (!verdict.usable) expect(sayPythVerdict(verdict)).toContain(says);
  });
});
