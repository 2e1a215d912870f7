import { silentLogger } from "@bellwether/service-kit";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { ZERO } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { noFailPoints } from "../fail-points.ts";
import type { ProtectionRecords, ProtectionScope } from "../journal/protective-orders.ts";
import { Discrepancies } from "./discrepancies.ts";
import { Protection, type ProtectionOptions } from "./protection.ts";

const none: ProtectionRecords = { orders: [], open: [], openSells: ZERO, holdingBefore: ZERO, fills: [] };
const scope = (owner: string): ProtectionScope => ({ owner, market: "SOL/USDT" });

/** Legs whose records come when they are let, each scope's by itself. */
function protectionOf(answers: Readonly<Record<string, Promise<ProtectionRecords>>>) {
  const clock = new ManualClock();
  const options = {
    clock,
    discrepancies: new Discrepancies(),
    failPoints: noFailPoints,
    log: silentLogger,
    venue: { rules: () => undefined },
    protectiveOrders: { records: ({ owner }: ProtectionScope) => answers[owner] },
  };
  return { clock, protection: new Protection(options as unknown as ProtectionOptions) };
}

describe("while legs are looked at", () => {
  test("buys are refused once an answer is five seconds late, until it comes", async () => {
    const late = Promise.withResolvers<ProtectionRecords>();
    const { clock, protection } = protectionOf({ alpha: late.promise, beta: Promise.resolve(none) });
    const looking = protection.keep([scope("alpha"), scope("beta")]);
    await clock.advance(5_000);
    expect(() => protection.requireLooked()).not.toThrow();
    await clock.advance(1);
    expect(() => protection.requireLooked()).toThrow(/VenueStale: protective legs wait for an answer of the venue for 5 s/);
    late.resolve(none);
    await looking;
    expect(() => protection.requireLooked()).not.toThrow();
  });

  test("a look that fails has ended, too", async () => {
    const { clock, protection } = protectionOf({ alpha: Promise.reject(new Error("no answer")) });
    await protection.keep([scope("alpha")]);
    await clock.advance(60_000);
    expect(() => protection.requireLooked()).not.toThrow();
  });
});
