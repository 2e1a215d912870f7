import { seededRandom, silentLogger, systemClock } from "@bellwether/service-kit";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { restorePostgres, trialRestorePostgres } from "../../../runtimes/checkpoint/src/restore-postgres/restore.ts";
import { segmentKey } from "../../../runtimes/checkpoint/src/shipping/segment.ts";
import { Shipper } from "../../../runtimes/checkpoint/src/shipping/shipper.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { type TestPostgres, postgresMissing, rowsOf } from "../order-path/postgres.ts";
import { isLongForm } from "../../suites/long-form.ts";
import {
  SegmentStore,
  Trader,
  WritingSession,
  capture,
  digests,
  fillJournal,
  migrateAll,
  migrateOne,
  restoring,
  startJournalServer,
} from "./database-fixture.ts";
import type { HeldSnapshot } from "./database-snapshot.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(`the journal, shipped as it is written ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let store: SegmentStore;
  let trader: Trader;
  const shippers: Shipper[] = [];
  const sql = (text: string, values: unknown[] = []) => rowsOf(postgres.superuserDsn, text, values);

  beforeAll(async () => {
    postgres = await startJournalServer();
    await fillJournal(postgres, 503);
    trader = await Trader.of(postgres);
  });
  beforeEach(() => {
    store = new SegmentStore(`volume ${shippers.length}`);
  });
  afterEach(async () => {
    for (const shipper of shippers) await shipper.close();
    await sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
  });
  afterAll(() => postgres.remove());

  function shipperTo(target: SegmentStore): Shipper {
    const shipper = new Shipper({ dsn: () => postgres.superuserDsn, target, clock: systemClock, log: silentLogger });
    shippers.push(shipper);
    return shipper;
  }

  /** What is in a journal that is restored from a snapshot and shipped segments, table by table, and what was replayed. */
  async function restored(snapshot: HeldSnapshot, shipped: SegmentStore) {
    let contents: Record<string, string> = {};
    const options = restoring(postgres, snapshot, { id: "look", shipped });
    const { replayed } = await trialRestorePostgres(options, async (dsn) => void (contents = await digests(dsn)));
    return { contents, replayed: replayed! };
  }

  test("a restored journal is the one that was lost, to the last row that was shipped: inserts, updates, deletions, large values", async () => {
    const shipper = shipperTo(store);
    await shipper.ship();
    const before = await trader.trade();
    await shipper.ship();
    const snapshot = await capture(postgres.superuserDsn);
    const [approved] = [await trader.approve(), await trader.trade()];
    await shipper.ship();
    await trader.send(approved);
    await trader.fill(approved);
    await sql("delete from broker.fills where client_order_id = $1", [before]);
    await sql("update broker.orders set filled_quantity = 0, state = 'Cancelled' where client_order_id = $1", [before]);
    await sql("update risk.strategies set state = $1", [`{"large":"${"y".repeat(20_000)}"}`]);
    await sql("update risk.strategies set decisions = decisions + 1");
    await shipper.ship();
    expect(shipper.lagMs()).toBeGreaterThanOrEqual(0);
    const lost = await digests(postgres.superuserDsn);
    await trader.approve();
    const { contents, replayed } = await restored(snapshot, store);
    expect(contents).toEqual(lost);
    expect(replayed).toMatchObject({ gaps: [], segments: 2, lastKey: segmentKey(shipper.series!, 3) });
  });

  test("a transaction that began before a snapshot and ends after it, behind others with higher numbers, is shipped and replayed", async () => {
    const shipper = shipperTo(store);
    await shipper.ship();
    const slow = new Client({ connectionString: postgres.superuserDsn });
    await slow.connect();
    try {
      await slow.query("begin");
      await slow.query("insert into risk.halts (policy_uid, reason, set_by) values ('slow', 'began first', 'test')");
      await sql("insert into risk.halts (policy_uid, reason, set_by) values ('quick', 'began second', 'test')");
      await shipper.ship();
      const snapshot = await capture(postgres.superuserDsn);
      await sql("insert into risk.halts (policy_uid, reason, set_by) values ('later', 'began third', 'test')");
      await shipper.ship();
      await slow.query("commit");
      await shipper.ship();
      const { contents, replayed } = await restored(snapshot, store);
      expect(contents).toEqual(await digests(postgres.superuserDsn));
      expect(replayed).toMatchObject({ segments: 2, transactions: 2 });
    } finally {
      await slow.end();
    }
  });

  test.each(Array.from({ length: isLongForm ? 4 : 1 }, (_, index) => ({ seed: 7_000 + index })))(
    "sessions that write, roll back and commit in any order, while it ships and snapshots are taken: seed $seed",
    async ({ seed }) => {
      const random = seededRandom(seed);
      const pick = (count: number): number => Math.floor(random.next() * count);
      const shipper = shipperTo(store);
      await shipper.ship();
      const sessions = await Promise.all(
        Array.from({ length: 4 }, (_, index) => WritingSession.open(postgres, `${seed}-${index}`)),
      );
      const snapshots: HeldSnapshot[] = [];
      try {
        for (let step = 0; step < (isLongForm ? 120 : 40); step++) {
          const kind = random.next();
          if (kind < 0.85) await sessions[pick(sessions.length)]!.act(pick(7));
          else if (kind < 0.97) await shipper.ship();
          else if (snapshots.length < 1) snapshots.push(await capture(postgres.superuserDsn));
        }
        snapshots.push(await capture(postgres.superuserDsn));
        for (const session of sessions) await session.act(pick(7));
      } finally {
        for (const session of sessions) await session.close();
      }
      await shipper.ship();
      const expected = await digests(postgres.superuserDsn);
      for (const snapshot of snapshots) {
        const { contents, replayed } = await restored(snapshot, store);
        expect({ contents, gaps: replayed.gaps }).toEqual({ contents: expected, gaps: [] });
      }
    },
  );

  test("a shipper that dies between the target and its record, or behind it, ships nothing twice and loses nothing", async () => {
    const first = shipperTo(store);
    await first.ship();
    const snapshot = await capture(postgres.superuserDsn);
    await trader.trade();
    // The segment arrives, its record does not.
    const put = store.put.bind(store);
    store.put = async (key, bytes) => {
      await put(key, bytes);
      throw new Error("the answer is lost");
    };
    await expect(first.ship()).rejects.toThrow("the answer is lost");
    store.put = put;
    await trader.trade();
    const second = shipperTo(store);
    await second.ship();
    expect(second.series).toBe([...store.segments.keys()][0]?.split("/")[1]);
    await second.close();
    // The record arrives, the server keeps its log: what is seen again is passed over.
    const third = shipperTo(store);
    expect(await third.ship()).toBe(0);
    await trader.trade();
    expect(await third.ship()).toBe(1);
    const { contents, replayed } = await restored(snapshot, store);
    expect(contents).toEqual(await digests(postgres.superuserDsn));
    expect(replayed.gaps).toEqual([]);
  });

  test("a target that is away holds up no other, and gets everything when it is back", async () => {
    const away = new SegmentStore("away");
    const [near, far] = [shipperTo(store), shipperTo(away)];
    await near.ship();
    await far.ship();
    const snapshot = await capture(postgres.superuserDsn);
    away.away = true;
    await trader.trade();
    expect(await near.ship()).toBe(1);
    await expect(far.ship()).rejects.toThrow("does not answer");
    away.away = false;
    expect(await far.ship()).toBe(1);
    // Both hold the same transactions: those of the first are passed over in the second.
    const both = new SegmentStore("both");
    for (const [key, bytes] of [...store.segments, ...away.segments]) both.segments.set(key, bytes);
    const { contents, replayed } = await restored(snapshot, both);
    expect(contents).toEqual(await digests(postgres.superuserDsn));
    expect(replayed).toMatchObject({ segments: 2, transactions: 3, gaps: [] });
  });

  test("a second shipper to the same target is turned away", async () => {
    await shipperTo(store).ship();
    await expect(shipperTo(store).ship()).rejects.toMatchObject({ code: "SHIPPING_BUSY" });
  });

  const damages = [
    { what: "missing", change: () => undefined },
    { what: "damaged", change: (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 40), Buffer.from("~"), bytes.subarray(41)]) },
  ];
  test.each(isLongForm ? damages : damages.slice(0, 1))(
    "a $what segment stops the replay there, by its name: what comes after is not used",
    async ({ change }) => {
      const shipper = shipperTo(store);
      await shipper.ship();
      const snapshot = await capture(postgres.superuserDsn);
      await trader.trade();
      await shipper.ship();
      const whole = await digests(postgres.superuserDsn);
      for (let more = 0; more < 2; more++) {
        await trader.trade();
        await shipper.ship();
      }
      const key = segmentKey(shipper.series!, 2);
      const changed = change(store.segments.get(key)!);
      if (changed) store.segments.set(key, changed);
      else store.segments.delete(key);
      const { contents, replayed } = await restored(snapshot, store);
      expect(contents).toEqual(whole);
      expect(replayed).toMatchObject({ segments: 1, gaps: [{ key, why: expect.any(String) }] });
    },
  );

  test("a migration that is applied while the journal is shipped is replayed with the rows around it", async () => {
    const shipper = shipperTo(store);
    await shipper.ship();
    const snapshot = await capture(postgres.superuserDsn);
    await trader.trade();
    const later = {
      version: riskSchema.migrations.length + 1,
      name: "later",
      sql: "create table risk.later (id bigint generated always as identity primary key, n int not null); insert into risk.later (n) values (1), (2); alter table risk.strategies add column later int; update risk.strategies set later = 7",
    };
    expect(await migrateOne(postgres.riskDsn, { ...riskSchema, migrations: [...riskSchema.migrations, later] })).toEqual([
      "later",
    ]);
    await sql("insert into risk.later (n) values (3)");
    await shipper.ship();
    const { contents, replayed } = await restored(snapshot, store);
    expect(contents).toEqual(await digests(postgres.superuserDsn));
    expect(replayed).toMatchObject({ migrated: true, gaps: [] });
  });

  test("a slot that the server has given up begins a new series, and is not left behind", async () => {
    const shipper = shipperTo(store);
    await shipper.ship();
    const { series } = shipper;
    await sql("alter system set max_slot_wal_keep_size = '1MB'");
    await sql("select pg_reload_conf()");
    try {
      // Two of the log's files and a checkpoint: what the slot holds back is more than it may.
      for (let file = 0; file < 3; file++)
        await sql("select pg_logical_emit_message(false, 'test', repeat('x', 1000)), pg_switch_wal()");
      await sql("checkpoint");
      await expect
        .poll(() => sql("select wal_status from pg_replication_slots"), { timeout: 30_000 })
        .toEqual([{ wal_status: "lost" }]);
      await expect(shipper.ship()).rejects.toMatchObject({ code: "POSTGRES_REFUSED" });
      await shipper.ship();
      expect(shipper.series).not.toBe(series);
      expect(await sql("select slot_name from pg_replication_slots")).toEqual([{ slot_name: shipper.series }]);
    } finally {
      await sql("alter system reset max_slot_wal_keep_size");
      await sql("select pg_reload_conf()");
    }
  });

  test("a role that may not, and a server that writes no logical log, are told from one that is away", async () => {
    const as = (dsn: string) => new Shipper({ dsn: () => dsn, target: store, clock: systemClock, log: silentLogger });
    await expect(as(postgres.riskDsn).ship()).rejects.toMatchObject({ code: "POSTGRES_REFUSED" });
    await expect(as("postgres://postgres@127.0.0.1:1/bellwether").ship()).rejects.toMatchObject({ code: "POSTGRES_UNREACHABLE" });
    await expect(capture(postgres.gatewayDsn)).rejects.toMatchObject({ code: "POSTGRES_REFUSED" });
  });

  test("losing the server: on a new one everything is there that was shipped, and shipping begins anew", async () => {
    const shipper = shipperTo(store);
    await shipper.ship();
    const snapshot = await capture(postgres.superuserDsn);
    for (let count = 0; count < 3; count++) await trader.trade();
    await shipper.ship();
    const lost = await digests(postgres.superuserDsn);
    postgres.kill();
    const fresh = await startJournalServer();
    try {
      // As the chart leaves it, and services that have begun on the empty one.
      await migrateAll(fresh);
      const result = await restorePostgres(restoring(fresh, snapshot, { shipped: store }));
      expect(result.replayed).toMatchObject({ segments: 1, transactions: 9, gaps: [] });
      expect(await digests(fresh.superuserDsn)).toEqual(lost);
      const again = new Shipper({ dsn: () => fresh.superuserDsn, target: store, clock: systemClock, log: silentLogger });
      await again.ship();
      expect(again.series).not.toBe(shipper.series);
      await again.close();
    } finally {
      fresh.remove();
      postgres.start();
    }
  });
});
