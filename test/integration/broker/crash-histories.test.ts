import { type Random, seededRandom } from "@bellwether/service-kit";
import { type Approval, type FinalOrder, canonicalOrder } from "@bellwether/trading";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Approver, finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import type { LineFault } from "../../../runtimes/broker/src/testing/faulty-line.ts";
import { type TestPostgres, postgresMissing, startPostgres } from "../order-path/postgres.ts";
import { BrokerWorld, type RunningBroker, startingUsdt } from "./broker-fixture.ts";

/*
 * Generated histories of one broker: orders, repeats, voids, cancels, bars, lost and late answers, time, and the end of the process between
 * any two steps of any of it. Whatever happens, afterwards
 *   1. the venue has taken at most one order per intent;
 *   2. start + fills − fees, folded from Postgres in SQL, is the venue's balance of every asset, to the last digit;
 *   3. every order Postgres knows as sent has the venue's state, and every order the venue knows is in Postgres;
 *   4. what was voided or not sent is not at the venue.
 */

const missing = postgresMissing();
const histories = Number(process.env["BELLWETHER_BROKER_HISTORIES"] ?? 8);
const operationsPerHistory = 60;
const faults: readonly LineFault[] = ["none", "none", "request-lost", "reply-lost", "reply-lost", "late", "late"];

describe.skipIf(missing !== undefined)("a broker that may die between any two steps", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  test.each(Array.from({ length: histories }, (_, index) => ({ seed: index + 1 })))(
    "history $seed: one order per intent, and every unit accounted for",
    async ({ seed }) => {
      const history = new History(new BrokerWorld(postgres), seededRandom(seed));
      try {
        await history.run();
        await history.settle();
        await history.verify();
      } finally {
        await history.end();
      }
    },
    60_000,
  );
});

class History {
  readonly #world: BrokerWorld;
  readonly #random: Random;
  readonly #approvals = new Map<string, Approval>();
  readonly #orders: FinalOrder[] = [];
  #running: RunningBroker | undefined;
  #price = 100;
  crashes = 0;

  constructor(world: BrokerWorld, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  async run(): Promise<void> {
    await this.#world.reset();
    await this.#bar();
    for (let step = 0; step < operationsPerHistory; step += 1) {
      await this.#alive();
      await this.#operation().catch(() => undefined);
      if (this.#running?.failPoints.crashed) await this.end();
    }
  }

  /** The world heals; one last process finds out everything. */
  async settle(): Promise<void> {
    await this.end();
    this.#world.line.plan();
    this.#world.line.down = false;
    await this.#world.line.deliverLate().catch(() => undefined);
    for (let round = 0; round < 3; round += 1) {
      await this.#world.clock.advance(10_000);
      this.#running = await this.#world.start();
      for (const order of this.#orders) await this.#running.broker.cancel(order.clientOrderId, "all").catch(() => undefined);
      await this.#bar();
      await this.#running.broker.sweep();
      await this.end();
    }
    this.#running = await this.#world.start();
    await this.#running.broker.sweep();
  }

  async verify(): Promise<void> {
    const venue = this.#world.venueOnDisk();
    expect(venue.placements).toBe(new Set(venue.clientOrderIds).size);

    const orders = await this.#world.rows(
      "select client_order_id as id, state, filled_quantity::text as filled from broker.orders",
    );
    const open = orders.filter((row) => ["AboutToSend", "Unknown", "Working"].includes(String(row["state"])));
    expect(open).toEqual([]);
    const sent = orders.filter((row) => row["state"] !== "NotSent" && row["state"] !== "Rejected").map((row) => row["id"]);
    expect(new Set(venue.clientOrderIds)).toEqual(new Set(sent));

    const [fold] = await this.#world.rows(
      `select
         trim_scale($1::numeric + coalesce(sum(case side when 'buy' then -quantity * price else quantity * price end - fee), 0))::text as quote,
         trim_scale(coalesce(sum(case side when 'buy' then quantity else -quantity end), 0))::text as base
       from broker.fills`,
      [startingUsdt],
    );
    const balances = new Map((await this.#running?.broker.account())?.balances.map((row) => [row.asset, row.free]));
    expect({ quote: balances.get("USDT"), base: balances.get("BTC") ?? "0" }).toEqual(fold);

    const [sums] = await this.#world.rows(
      `select count(*)::int as wrong from broker.orders o
       where filled_quantity <> (select coalesce(sum(quantity), 0) from broker.fills f where f.client_order_id = o.client_order_id and leg = 'entry')`,
    );
    expect(sums).toEqual({ wrong: 0 });
  }

  async end(): Promise<void> {
    if (this.#running) await this.#world.end(this.#running);
    this.#running = undefined;
  }

  /** A process, armed to die some steps from now; one that dies while starting is followed by another. */
  async #alive(): Promise<void> {
    for (let attempt = 0; !this.#running && attempt < 50; attempt += 1) {
      const crashAt = this.#random.next() < 0.6 ? 1 + this.#pick(150) : undefined;
      this.#running = await this.#world.start(crashAt).catch(() => undefined);
      this.crashes += 1;
    }
  }

  async #operation(): Promise<void> {
    const broker = this.#running?.broker;
    if (!broker) return;
    const known = this.#orders[this.#pick(this.#orders.length)];
    const kind = this.#random.next();
    this.#world.line.hintsLost = this.#random.next() < 0.5;
    this.#world.line.down = this.#random.next() < 0.1;
    if (kind < 0.35) {
      this.#world.line.plan(faults[this.#pick(faults.length)] ?? "none");
      const approval = this.#newApproval();
      await broker.submit(approval);
    } else if (kind < 0.45 && known) {
      // Risk repeats itself: the same approval, or a fresh one for the same order.
      const approval = this.#approvals.get(known.clientOrderId);
      await broker.submit(this.#random.next() < 0.5 && approval ? approval : this.#world.approver.approve(known));
    } else if (kind < 0.55) {
      const order = this.#random.next() < 0.5 && known ? known : this.#newOrder();
      await broker.void(order.clientOrderId, { order: canonicalOrder(order), epoch: this.#world.approver.epoch });
    } else if (kind < 0.63 && known) {
      await broker.cancel(known.clientOrderId, this.#random.next() < 0.5 ? "entry" : "all");
    } else if (kind < 0.8) {
      await this.#bar();
    } else if (kind < 0.85) {
      await this.#world.clock.advance(this.#pick(3_500));
    } else if (kind < 0.9) {
      await this.#world.line.deliverLate();
    } else if (kind < 0.95) {
      await broker.sweep();
    } else if (kind < 0.97) {
      await this.#world.publish(new Approver(this.#world.clock, this.#world.approver.epoch + 1));
    } else {
      this.#running?.failPoints.kill();
    }
  }

  #newApproval(): Approval {
    const order = this.#newOrder();
    const approval = this.#world.approver.approve(order);
    this.#approvals.set(order.clientOrderId, approval);
    return approval;
  }

  #newOrder(): FinalOrder {
    const side = this.#random.next() < 0.6 ? ("buy" as const) : ("sell" as const);
    const limit = this.#random.next() < 0.4 ? { type: "limit" as const, limit: String(this.#price + this.#pick(7) - 3) } : {};
    const legs =
      side === "buy" && this.#random.next() < 0.4
        ? { stopLoss: String(this.#price - 6), takeProfit: String(this.#price + 6) }
        : {};
    const order = finalOrderOf(this.#orders.length + 1, {
      side,
      quantity: `${1 + this.#pick(3)}.${this.#pick(100_000_000).toString().padStart(8, "0")}`,
      decisionTime: this.#world.market.marketTimeMs(),
      reduceOnly: side === "sell",
      ...limit,
      ...legs,
      ...(side === "buy" ? { maxCost: "5000" } : {}),
    });
    this.#orders.push(order);
    return order;
  }

  async #bar(): Promise<void> {
    this.#price += this.#pick(9) - 4;
    this.#price = Math.min(110, Math.max(90, this.#price));
    const close = this.#price + this.#pick(100) / 100;
    await this.#world.market.close(close, {
      high: close + 5 + this.#pick(3),
      low: close - 5 - this.#pick(3),
      volume: 5 + this.#pick(60),
    });
  }

  #pick(below: number): number {
    return Math.floor(this.#random.next() * below);
  }
}
