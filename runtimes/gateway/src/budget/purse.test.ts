import type { Decimal } from "@bellwether/trading/decimal";
import { describe, expect, test } from "vitest";
import {
  EMPTY_LEDGER,
  DEAD_AFTER_MS,
  type Ledger,
  type LeaseReply,
  applyLeaseUpdate,
  ledgerFigures,
  readLedger,
  storeLedger,
} from "./ledger.ts";
import { BudgetPurse } from "./purse.ts";
import type { Spend, SpendLimits } from "./spend.ts";

const cents = (amount: number): Spend => ({ usd: BigInt(amount) as Decimal, tokens: BigInt(amount) });
const limits: SpendLimits = { usd: 1000n as Decimal, tokens: 1000n };
const deadlineMs = 60_000;

/** A ledger and the replicas on it; messages arrive when a test says so. */
class Route {
  ledger: Ledger = EMPTY_LEDGER;
  nowMs = 0;

  purse(holder = "a"): BudgetPurse {
    return new BudgetPurse({ holder, limits });
  }

  /** Sends what is due and hands over the answer. */
  exchange(purse: BudgetPurse): LeaseReply | undefined {
    const update = purse.nextUpdate(this.nowMs);
    if (update === undefined) return undefined;
    const { ledger, reply } = applyLeaseUpdate(this.ledger, update, { limits, nowMs: this.nowMs });
    this.ledger = ledger;
    purse.accept(reply);
    return reply;
  }

  /** Reserves, with a lease when one is needed. */
  reserve(purse: BudgetPurse, id: string, worst: number): ReturnType<BudgetPurse["reserve"]> {
    const first = purse.reserve({ id, worst: cents(worst), deadlineMs }, this.nowMs);
    if (first.granted || first.reason !== "LEASE_NEEDED") return first;
    this.exchange(purse);
    return purse.reserve({ id, worst: cents(worst), deadlineMs }, this.nowMs);
  }

  get figures(): { spent: bigint; held: bigint } {
    const { spent, held } = ledgerFigures(this.ledger, this.nowMs);
    return { spent: spent.usd, held: held.usd };
  }
}

describe("a reservation", () => {
  test("is refused for want of a lease before the ledger has said anything", () => {
    const purse = new Route().purse();
    expect(purse.reserve({ id: "1", worst: cents(1), deadlineMs }, 0)).toMatchObject({ granted: false, reason: "LEASE_NEEDED" });
  });

  test("asked for twice under one id is one reservation", () => {
    const route = new Route();
    const purse = route.purse();
    expect(route.reserve(purse, "1", 10)).toEqual({ granted: true, repeated: false });
    expect(route.reserve(purse, "1", 10)).toEqual({ granted: true, repeated: true });
    expect(purse.figures()).toMatchObject({ open: 1, reserved: cents(10) });
  });

  const open = cents(0);
  test.each([
    { when: "settled", end: (purse: BudgetPurse) => purse.settle("1", cents(4)), own: cents(4) },
    { when: "released", end: (purse: BudgetPurse) => purse.release("1"), own: open },
    { when: "abandoned", end: (purse: BudgetPurse) => purse.abandon("1"), own: cents(10) },
  ])("that is $when takes nothing more, and says so once", ({ end, own }) => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 10);
    expect(end(purse)).toMatchObject({ applied: true, charged: own });
    expect(purse.release("1")).toEqual({ applied: false });
    expect(purse.figures()).toMatchObject({ own, reserved: cents(0), open: 0 });
    expect(route.reserve(purse, "1", 10)).toMatchObject({ granted: false, reason: "ALREADY_ENDED" });
  });

  test("given up counts in full until its usage comes in late, once", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 10);
    purse.abandon("1");
    expect(purse.settle("1", cents(3))).toEqual({ applied: true, charged: cents(3), overrun: false });
    expect(purse.settle("1", cents(3))).toEqual({ applied: false });
    expect(purse.figures().own).toEqual(cents(3));
  });

  test("that nobody ends is charged when its time is up", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 10);
    route.nowMs = deadlineMs;
    route.exchange(purse);
    expect(purse.figures()).toMatchObject({ own: cents(10), open: 0 });
    expect(route.figures.spent).toBe(10n);
  });

  test("whose call used more than its bound is spent in full, and counted as an overrun", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 10);
    expect(purse.settle("1", cents(25))).toEqual({ applied: true, charged: cents(25), overrun: true });
    route.nowMs = 1000;
    route.exchange(purse);
    expect([route.figures.spent, purse.figures().overruns]).toEqual([25n, 1]);
  });

  test("above what is left is refused for good, with the numbers", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 995);
    purse.settle("1", cents(995));
    route.nowMs = 1000;
    expect(route.reserve(purse, "2", 6)).toEqual({
      granted: false,
      reason: "EXHAUSTED",
      worst: cents(6),
      spent: cents(995),
      limits,
    });
    expect(route.reserve(purse, "3", 5)).toMatchObject({ granted: true });
  });

  test("waits for what another replica has reserved and may not spend", () => {
    const route = new Route();
    const [busy, waiting] = [route.purse("a"), route.purse("b")];
    route.reserve(busy, "1", 990);
    expect(route.reserve(waiting, "2", 20)).toMatchObject({ granted: false, reason: "LEASE_NEEDED" });
    busy.settle("1", cents(100));
    route.nowMs += 1000;
    route.exchange(busy);
    expect(route.reserve(waiting, "2", 20)).toMatchObject({ granted: true });
  });

  test("gets the money that lies idle with another replica", () => {
    const route = new Route();
    const [idle, waiting] = [route.purse("a"), route.purse("b")];
    route.reserve(idle, "1", 100);
    expect(route.figures.held).toBeGreaterThan(100n - 1n);
    idle.settle("1", cents(0));
    route.reserve(waiting, "2", 880);
    waiting.settle("2", cents(880));
    expect(route.reserve(waiting, "3", 110)).toMatchObject({ granted: false, reason: "LEASE_NEEDED" });
    for (let round = 0; round < 2; round++) {
      route.nowMs += 1000;
      route.exchange(idle);
    }
    expect(route.reserve(waiting, "3", 110)).toMatchObject({ granted: true });
  });
});

describe("a lease", () => {
  test("is given up by the replica before the ledger hears of it, or two of them could spend the same money", () => {
    const route = new Route();
    const [idle, waiting] = [route.purse("a"), route.purse("b")];
    route.reserve(idle, "1", 100);
    route.reserve(waiting, "2", 800);
    idle.settle("1", cents(0));
    expect(route.reserve(waiting, "3", 190)).toMatchObject({ reason: "LEASE_NEEDED" });
    route.nowMs = 1_000;
    route.exchange(idle);
    route.nowMs = 2_000;
    const givingBack = idle.nextUpdate(route.nowMs)!;
    expect(givingBack.keep).toEqual(cents(0));
    expect(idle.reserve({ id: "4", worst: cents(100), deadlineMs }, route.nowMs)).toMatchObject({ reason: "LEASE_NEEDED" });
  });

  test("that runs out stops paid calls until the ledger is heard again", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 1);
    route.nowMs = DEAD_AFTER_MS;
    expect(purse.reserve({ id: "2", worst: cents(1), deadlineMs }, route.nowMs)).toMatchObject({ reason: "LEASE_NEEDED" });
    expect(route.reserve(purse, "2", 1)).toMatchObject({ granted: true });
  });

  test("of a crashed replica counts as spent when it runs out, and holds nothing", () => {
    const route = new Route();
    route.reserve(route.purse(), "1", 40);
    const { held } = route.figures;
    route.nowMs = DEAD_AFTER_MS;
    expect(route.figures).toEqual({ spent: held, held: 0n });
  });

  test("of a replica that was only cut off gives back what was not spent", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 40);
    route.nowMs = DEAD_AFTER_MS;
    expect(route.figures.spent).toBeGreaterThan(39n);
    purse.settle("1", cents(15));
    purse.close({ charge: false });
    route.exchange(purse);
    expect(route.figures).toEqual({ spent: 15n, held: 0n });
  });

  test("is closed once nothing is open, or with what is open charged", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 40);
    purse.close({ charge: false });
    expect(purse.nextUpdate(0)).toBeUndefined();
    expect(route.reserve(purse, "2", 1)).toEqual({ granted: false, reason: "CLOSED" });
    purse.close({ charge: true });
    route.exchange(purse);
    expect(route.figures).toEqual({ spent: 40n, held: 0n });
    expect(purse.nextUpdate(1_000_000)).toBeUndefined();
  });

  test("takes an update that comes twice, late, or after the close as what it is: nothing new", () => {
    const route = new Route();
    const purse = route.purse();
    purse.reserve({ id: "1", worst: cents(10), deadlineMs }, 0);
    const first = purse.nextUpdate(0)!;
    const opened = applyLeaseUpdate(route.ledger, first, { limits, nowMs: 0 });
    purse.accept(opened.reply);
    route.ledger = opened.ledger;
    expect(applyLeaseUpdate(opened.ledger, first, { limits, nowMs: 1 }).ledger).toBe(opened.ledger);
    purse.close({ charge: true });
    route.exchange(purse);
    const closed = route.ledger;
    expect(applyLeaseUpdate(closed, { ...first, sequence: 9 }, { limits, nowMs: 2 }).ledger).toBe(closed);
    expect(route.figures).toEqual({ spent: 0n, held: 0n });
  });

  test("whose answer was lost asks again with the same figures, and gets no second grant on top", () => {
    const route = new Route();
    const purse = route.purse();
    purse.reserve({ id: "1", worst: cents(10), deadlineMs }, 0);
    const update = purse.nextUpdate(0)!;
    route.ledger = applyLeaseUpdate(route.ledger, update, { limits, nowMs: 0 }).ledger;
    expect(purse.nextUpdate(0)).toBeUndefined();
    purse.lost(update.sequence);
    const { held } = route.figures;
    expect(route.reserve(purse, "1", 10)).toMatchObject({ granted: true });
    expect(route.figures.held).toBe(held);
  });

  test("of a holder that a restored database forgot is taken at its word", () => {
    const route = new Route();
    const purse = route.purse();
    route.reserve(purse, "1", 10);
    purse.settle("1", cents(7));
    route.ledger = EMPTY_LEDGER;
    route.nowMs = 1000;
    route.exchange(purse);
    expect(route.figures.spent).toBe(7n);
  });
});

describe("the ledger", () => {
  test("reads back what it stored", () => {
    const route = new Route();
    route.reserve(route.purse("a"), "1", 10);
    route.reserve(route.purse("b"), "2", 10);
    expect(readLedger(JSON.parse(JSON.stringify(storeLedger(route.ledger))))).toEqual(route.ledger);
  });

  test("refuses to be read from anything else, because nothing may be spent from what nobody can read", () => {
    expect(() => readLedger({ settled: { usd: "1" } })).toThrow(/tokens/);
  });

  test("stays small however often replicas come and go", () => {
    const route = new Route();
    for (let life = 0; life < 700; life++) {
      const purse = route.purse(`life-${life}`);
      route.reserve(purse, "1", 1);
      purse.settle("1", cents(1));
      purse.close({ charge: true });
      route.exchange(purse);
    }
    expect(route.ledger.leases.size).toBeLessThanOrEqual(500);
    expect(route.figures).toEqual({ spent: 700n, held: 0n });
  });
});
