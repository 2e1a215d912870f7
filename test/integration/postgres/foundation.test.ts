import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database, type MigrationPlan, migrate } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestPostgres, postgresMissing, rowsOf, startPostgres } from "../order-path/postgres.ts";

const plan: MigrationPlan = {
  schema: "risk",
  lock: 1n,
  migrations: [
    { version: 1, name: "first", sql: "create table risk.numbers (n int primary key); insert into risk.numbers values (1)" },
    { version: 2, name: "second", sql: "insert into risk.numbers values (2)" },
  ],
};

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(`the foundation of both journals ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  const open: Database[] = [];
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  beforeEach(() => postgres.reset());
  afterEach(async () => {
    for (const database of open.splice(0)) await database.close();
  });
  afterAll(() => postgres.remove());

  function connect(transactions: "queued" | "parallel" = "parallel", plans: "kept" | "anew" = "kept"): Database {
    const options = { dsn: postgres.riskDsn, clock: systemClock, log: silentLogger, applicationName: "foundation test" };
    const database = new Database({ ...options, transactions, plans });
    open.push(database);
    return database;
  }

  test("several processes that start at once migrate once, each to the same end", async () => {
    const applied = await Promise.all([connect(), connect(), connect()].map((database) => migrate(database, plan)));
    expect(applied.flat().toSorted()).toEqual(["first", "second"]);
    expect(await connect().query("select n from risk.numbers order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("a migration that was applied with other content stops the start and changes nothing", async () => {
    await migrate(connect(), plan);
    const [first] = plan.migrations;
    const edited = { ...plan, migrations: [{ version: 1, name: "first", sql: `${first?.sql} -- edited` }] };
    await expect(migrate(connect(), edited)).rejects.toMatchObject({ code: "MIGRATION_CHANGED" });
  });

  test("a migration that fails leaves nothing behind", async () => {
    const failing = { ...plan, migrations: [...plan.migrations, { version: 3, name: "third", sql: "select 1 / 0" }] };
    await expect(migrate(connect(), failing)).rejects.toThrow("division by zero");
    expect(await migrate(connect(), plan)).toEqual(["first", "second"]);
  });

  test.each([
    { plans: "kept", mode: "auto" },
    { plans: "anew", mode: "force_custom_plan" },
  ] as const)("plans that are made of statements and $plans", async ({ plans, mode }) => {
    expect(await connect("parallel", plans).query("show plan_cache_mode")).toEqual([{ plan_cache_mode: mode }]);
  });

  test("commits are synchronous on a server that would not ask for it", async () => {
    await rowsOf(postgres.superuserDsn, "alter role bellwether_risk set synchronous_commit = off");
    try {
      expect(await connect().query("show synchronous_commit")).toEqual([{ synchronous_commit: "on" }]);
    } finally {
      await rowsOf(postgres.superuserDsn, "alter role bellwether_risk reset synchronous_commit");
    }
  });

  test("a password that is changed in the server and in the file is taken by new connections, without a restart", async () => {
    const admin = (sql: string) => rowsOf(postgres.superuserDsn, sql);
    const [{ hba_file: hba } = {}] = await admin("show hba_file");
    const trusting = "('local all all trust'), ('host all all 127.0.0.1/32 trust')";
    await admin("create role rotating login password 'first'");
    await admin(`copy (values ('host all rotating 127.0.0.1/32 scram-sha-256'), ${trusting}) to '${String(hba)}'`);
    await admin("select pg_reload_conf()");
    const directory = mkdtempSync(join(tmpdir(), "bellwether-dsn-"));
    const file = join(directory, "dsn");
    const mount = (password: string): void =>
      writeFileSync(file, postgres.riskDsn.replace("bellwether_risk", `rotating:${password}`));
    const cut = () => admin("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotating'");
    try {
      mount("first");
      const dsn = (): string => readFileSync(file, "utf8");
      const database = new Database({ dsn, clock: systemClock, log: silentLogger, applicationName: "foundation test" });
      open.push(database);
      const who = () => database.query("select current_user as name").catch((error: { code: string }) => error.code);
      const user = [{ name: "rotating" }];
      await expect.poll(who, { timeout: 30_000 }).toEqual(user);
      await admin("alter role rotating password 'second'");
      // What stands goes on; once it is cut, the file that is mounted is still the old one.
      expect(await who()).toEqual(user);
      await cut();
      await expect.poll(who, { timeout: 30_000 }).toBe("JOURNAL_UNAVAILABLE");
      expect(await who()).toBe("JOURNAL_UNAVAILABLE");
      expect(database.available).toBe(false);
      mount("second");
      await expect.poll(who, { timeout: 30_000 }).toEqual(user);
      rmSync(file);
      await cut();
      await expect.poll(who, { timeout: 30_000 }).toBe("JOURNAL_UNAVAILABLE");
      mount("second");
      await expect.poll(who, { timeout: 30_000 }).toEqual(user);
    } finally {
      rmSync(directory, { recursive: true });
      await cut();
      await admin("drop role rotating");
    }
  });

  test("queued transactions end in the order they were asked for", async () => {
    const database = connect("queued");
    await migrate(database, plan);
    const ended: number[] = [];
    const waits = [0.05, 0, 0.02];
    await Promise.all(
      waits.map((seconds, index) =>
        database.transaction(async (transaction) => {
          await transaction.query("select pg_sleep($1)", [seconds]);
          ended.push(index);
        }),
      ),
    );
    expect(ended).toEqual([0, 1, 2]);
  });

  test("queued transactions that wait for a commit share the next one, and each fails for itself", async () => {
    const database = connect("queued");
    await migrate(database, plan);
    const insert = (n: number, then?: string) =>
      database.transaction(async (transaction) => {
        await transaction.query("insert into risk.numbers values ($1)", [n]);
        if (then !== undefined) await transaction.query(then);
        const [row] = await transaction.query<{ id: string }>("select pg_current_xact_id()::text as id");
        return row?.id;
      });
    const ended = await Promise.allSettled([insert(10), insert(11), insert(11), insert(12, "select 1 / 0"), insert(13)]);
    expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(ended[2]).toMatchObject({ reason: { code: "23505" } });
    const [alone, together, , , withIt] = ended.map((each) => (each.status === "fulfilled" ? each.value : undefined));
    expect(withIt).toBe(together);
    expect(alone).not.toBe(together);
    expect(await database.query("select n from risk.numbers where n >= 10 order by n")).toEqual([
      { n: 10 },
      { n: 11 },
      { n: 13 },
    ]);
  });

  test("of transactions that share a commit none is there when the connection goes before it", async () => {
    const database = connect("queued");
    await migrate(database, plan);
    const insert = (n: number, cut = false) =>
      database.transaction(async (transaction) => {
        await transaction.query("insert into risk.numbers values ($1)", [n]);
        if (cut) await transaction.query("select pg_terminate_backend(pg_backend_pid())");
      });
    const ended = await Promise.allSettled([insert(20), insert(21), insert(22, true), insert(23)]);
    expect(ended[0]).toMatchObject({ status: "fulfilled" });
    for (const each of ended.slice(1)) expect(each).toMatchObject({ reason: { code: "JOURNAL_UNAVAILABLE" } });
    expect(await connect().query("select n from risk.numbers where n >= 20")).toEqual([{ n: 20 }]);
  });

  test("what the other service has not opened yet is waited for, and is no outage of Postgres", async () => {
    const database = connect();
    await database.query("select 1");
    await expect(database.query("select 1 from broker.orders")).rejects.toMatchObject({
      code: "JOURNAL_UNAVAILABLE",
      message: expect.stringContaining("not open to this service yet (permission denied for schema broker)"),
    });
    expect(database.available).toBe(true);
  });

  test("what work throws reaches the caller as it is, and rolls back", async () => {
    const database = connect();
    await migrate(database, plan);
    const fault = new TypeError("a bug, not an outage");
    const broken = database.transaction(async (transaction) => {
      await transaction.query("delete from risk.numbers");
      throw fault;
    });
    await expect(broken).rejects.toBe(fault);
    expect(await database.query("select n from risk.numbers order by n")).toHaveLength(2);
  });

  test("a stopped Postgres is told within seconds, and its return is announced", async () => {
    const database = connect();
    let recoveries = 0;
    database.onRecovery(() => (recoveries += 1));
    await database.query("select 1");
    postgres.stop();
    await expect(database.transaction((transaction) => transaction.query("select 1"))).rejects.toMatchObject({
      code: "JOURNAL_UNAVAILABLE",
    });
    expect(database.available).toBe(false);
    postgres.start();
    await expect.poll(() => database.query("select 1").catch(() => undefined), { timeout: 30_000 }).toBeDefined();
    expect({ available: database.available, recoveries }).toEqual({ available: true, recoveries: 2 });
  });
});
