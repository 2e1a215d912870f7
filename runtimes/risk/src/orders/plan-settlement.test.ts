import { describe, expect, test } from "vitest";
import { bookOrder } from "../testing/book-fixtures.ts";
import { type SettlementWorld, planSettlement } from "./plan-settlement.ts";

const world = (change: Partial<SettlementWorld> = {}): SettlementWorld => ({
  inFlight: new Set(),
  halted: false,
  suspended: new Set(),
  sold: new Set(),
  deleted: new Set(),
  ...change,
});
const known = { known: true, state: "Working" } as const;
const protectedEntry = { known: true, state: "Filled", protectiveLegs: ["stopLoss"] } as const;

describe("planSettlement", () => {
  test.each([
    {
      when: "an approval is being handed over",
      order: bookOrder({}),
      world: world({ inFlight: new Set(["order-1"]) }),
      then: { step: "wait" },
    },
    { when: "an approved order has no row at the broker", order: bookOrder({}), world: world(), then: { step: "void" } },
    { when: "it has none and trading is halted", order: bookOrder({}), world: world({ halted: true }), then: { step: "void" } },
    { when: "an order works", order: bookOrder(known), world: world(), then: { step: "wait" } },
    {
      when: "its outcome is unknown",
      order: bookOrder({ known: true, state: "Unknown" }),
      world: world(),
      then: { step: "wait" },
    },
    {
      when: "the program has cancelled it",
      order: bookOrder({ ...known, cancelRequested: "entry" }),
      world: world(),
      then: { step: "cancel", legs: "entry" },
    },
    {
      when: "a buy works and trading halts",
      order: bookOrder(known),
      world: world({ halted: true }),
      then: { step: "cancel", legs: "entry" },
    },
    {
      when: "a sell works and trading halts",
      order: bookOrder({ ...known, side: "sell" }),
      world: world({ halted: true }),
      then: { step: "wait" },
    },
    {
      when: "a stop protects and trading halts",
      order: bookOrder(protectedEntry),
      world: world({ halted: true }),
      then: { step: "wait" },
    },
    {
      when: "its strategy is suspended",
      order: bookOrder({ ...known, side: "sell" }),
      world: world({ suspended: new Set(["s-1"]) }),
      then: { step: "cancel", legs: "entry" },
    },
    {
      when: "a stop protects a suspended strategy",
      order: bookOrder(protectedEntry),
      world: world({ suspended: new Set(["s-1"]) }),
      then: { step: "wait" },
    },
    {
      when: "its strategy is deleted",
      order: bookOrder(known),
      world: world({ deleted: new Set(["s-1"]) }),
      then: { step: "cancel", legs: "all" },
    },
    {
      when: "a sell works and everything is sold",
      order: bookOrder({ ...known, side: "sell" }),
      world: world({ halted: true, flattening: true }),
      then: { step: "cancel", legs: "entry" },
    },
    {
      when: "a stop protects and everything is sold",
      order: bookOrder(protectedEntry),
      world: world({ halted: true, flattening: true }),
      then: { step: "wait" },
    },
    {
      when: "its deleted strategy is sold",
      order: bookOrder({ ...known, side: "sell" }),
      world: world({ sold: new Set(["s-1"]) }),
      then: { step: "cancel", legs: "entry" },
    },
    {
      when: "a stop protects a deleted strategy that is sold",
      order: bookOrder(protectedEntry),
      world: world({ sold: new Set(["s-1"]) }),
      then: { step: "wait" },
    },
    {
      when: "the sell of a deleted strategy works",
      order: bookOrder({ ...known, side: "sell", intentId: "s-1/1/0/900" }),
      world: world({ sold: new Set(["s-1"]), suspended: new Set(["s-1"]) }),
      then: { step: "wait" },
    },
    {
      when: "the sell that empties the strategy works",
      order: bookOrder({ ...known, side: "sell", intentId: "s-1/1/0/900" }),
      world: world({ halted: true, flattening: true }),
      then: { step: "wait" },
    },
    {
      when: "a stop rests for a deleted strategy",
      order: bookOrder(protectedEntry),
      world: world({ deleted: new Set(["s-1"]) }),
      then: { step: "cancel", legs: "all" },
    },
    {
      when: "the program cancels resting legs",
      order: bookOrder({ ...protectedEntry, cancelRequested: "all" }),
      world: world(),
      then: { step: "cancel", legs: "all" },
    },
    {
      when: "it has ended",
      order: bookOrder({ known: true, state: "Cancelled" }),
      world: world({ halted: true }),
      then: { step: "wait" },
    },
  ])("when $when: $then.step", ({ order, world: given, then }) => {
    expect(planSettlement(order, given)).toEqual(then);
  });
});
