import { silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { brokerSchema } from "../../../runtimes/broker/src/journal/migrations/index.ts";
import {
  restorePostgres,
  restoreSteps,
  trialRestorePostgres,
} from "../../../runtimes/checkpoint/src/restore-postgres/restore.ts";
import { findContradictions } from "../../../runtimes/checkpoint/src/restore-postgres/validate.ts";
import { Shipper } from "../../../runtimes/checkpoint/src/shipping/shipper.ts";
import { gatewaySchema } from "../../../runtimes/gateway/src/journal/migrations/index.ts";
import { riskSchema } from "../../../runtimes/risk/src/journal/migrations/index.ts";
import { postgresSources } from "../../../runtimes/checkpoint/src/source-postgres/capture.ts";
import { withSession } from "../../../runtimes/checkpoint/src/source-postgres/session.ts";
import { isLongForm } from "../../suites/long-form.ts";
import { type TestPostgres, postgresMissing, rowsOf } from "../order-path/postgres.ts";
import {
  SegmentStore,
  Trader,
  capture,
  databases,
  digests,
  fillJournal,
  restoreProcess,
  restoring,
  startJournalServer,
} from "./database-fixture.ts";
import { type HeldSnapshot, withFile } from "./database-snapshot.ts";

const missing = postgresMissing();
/** Half-filled, finished, shut, swapped; the long form dies before every step. */
const deadlySteps = new Set<string>(["replay", "shut", "swap", "open"]);

describe.skipIf(missing !== undefined)(`the journal's database, captured and restored ${missing ?? ""}`, () => {
  let postgres: TestPostgres;
  let snapshot: HeldSnapshot;
  const store = new SegmentStore("volume");
  const sql = (text: string): Promise<Record<string, unknown>[]> => rowsOf(postgres.superuserDsn, text);
  /** The highest or lowest of all that writers hold and brokers have seen. */
  async function epochs(which: "max" | "min"): Promise<number> {
    const tables = ["risk.writer_epochs", "broker.writer_epochs", "broker.highest_risk_epoch"];
    const all = tables.map((table) => `select epoch from ${table}`).join(" union all ");
    const [row] = await sql(`select ${which}(epoch)::int as epoch from (${all}) as epochs`);
    return Number(row?.["epoch"]);
  }

  beforeAll(async () => {
    postgres = await startJournalServer();
    await fillJournal(postgres, 501);
    snapshot = await capture(postgres.superuserDsn);
  });
  afterAll(() => postgres.remove());

  test("a snapshot says where it stands: identity, place in the log, versions, marks, what the venue must hold", () => {
    const journal = snapshot.contents.get("Journal")!;
    expect(journal.position).toMatchObject({
      database: "bellwether",
      schemaVersions: Object.fromEntries(
        [riskSchema, brokerSchema, gatewaySchema].map(({ schema, migrations }) => [schema, migrations.length]),
      ),
      snapshot: expect.stringMatching(/^\d+:\d+:/),
      lsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
      journalId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const { highWaterMarks, venueBalances, writerEpochs } = journal.position as Record<string, Record<string, string>>;
    expect(Number(highWaterMarks?.["broker.fills.sequence"])).toBeGreaterThan(0);
    expect(Object.keys(venueBalances!).length).toBeGreaterThan(0);
    expect(Object.keys(writerEpochs!).length).toBeGreaterThan(1);
    expect([...snapshot.contents.get("Positions")!.files.keys()]).toEqual(
      ["balances", "equity", "cursors"].map((name) => `positions/folds/${name}.copy`),
    );
    expect(snapshot.contents.get("LlmCache")!.files.get("llm-cache/gateway.answers.copy")?.length).toBeGreaterThan(0);
  });

  test("the same rows give the same bytes again", async () => {
    const again = await capture(postgres.superuserDsn);
    for (const [path, bytes] of snapshot.contents.get("Journal")!.files)
      expect({ path, bytes: again.contents.get("Journal")!.files.get(path) }).toEqual({ path, bytes });
  });

  test("the journal contradicts itself nowhere, and a row that was changed behind its back is found", async () => {
    const find = (): Promise<string[]> => withSession(postgres.superuserDsn, "test", findContradictions);
    expect(await find()).toEqual([]);
    const [order] = await sql(
      "select client_order_id, filled_quantity from broker.orders where filled_quantity > 0 and state = 'Filled' limit 1",
    );
    const set = (quantity: unknown) =>
      rowsOf(postgres.superuserDsn, "update broker.orders set filled_quantity = $1 where client_order_id = $2", [
        quantity,
        order?.["client_order_id"],
      ]);
    await set("7");
    expect(await find()).toEqual([expect.stringContaining("an ended order has filled what its fills add up to")]);
    await set(order?.["filled_quantity"]);
  });

  test("a trial restore validates everything and leaves nothing behind", async () => {
    const before = await digests(postgres.superuserDsn);
    const result = await trialRestorePostgres(restoring(postgres, snapshot));
    expect(Object.keys(result.durations)).toEqual(["create", "load", "validate", "fence"]);
    expect(await databases(postgres)).toEqual(["bellwether"]);
    expect(await digests(postgres.superuserDsn)).toEqual(before);
  });

  test("a snapshot taken while transactions commit is of one moment", async () => {
    const trader = await Trader.of(postgres);
    const stop = new AbortController();
    let trades = 0;
    const trading = (async () => {
      for (; !stop.signal.aborted; trades++) await trader.trade();
    })();
    try {
      await expect.poll(() => trades, { timeout: 60_000 }).toBeGreaterThan(2);
      for (let round = 0; round < 2; round++) {
        const taken = await capture(postgres.superuserDsn);
        const seen = trades;
        await expect.poll(() => trades, { timeout: 60_000 }).toBeGreaterThan(seen);
        // Its own folds, references and invariants are those of what it holds.
        await trialRestorePostgres(restoring(postgres, taken, { id: `t${round}` }));
      }
    } finally {
      stop.abort();
      await trading;
    }
  });

  test("a server that goes away while it is read is told by its code, and the next snapshot is whole", async () => {
    const [journal] = postgresSources({ dsn: () => postgres.superuserDsn });
    const captured = await journal!.open(new AbortController().signal);
    if ("because" in captured) throw new Error(captured.because);
    const reading = async (): Promise<void> => {
      for await (const { content } of captured.files()) {
        for await (const piece of content) expect(piece.length).toBeGreaterThan(0);
        await sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bellwether-checkpoint'");
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: "POSTGRES_UNREACHABLE" });
    await captured.close();
    expect((await capture(postgres.superuserDsn)).position("Journal")).toBeDefined();
  });

  const fills = "journal/broker.fills.copy";
  /** What another of them stands for as well is left to the long form. */
  const alike = new Set(["a file cut within a row", "a missing list of contents", "migrations of another program"]);
  const damages = [
    {
      what: "a truncated file",
      path: fills,
      code: "CONTENT_DIFFERS",
      change: (bytes: Buffer) => bytes.subarray(0, bytes.lastIndexOf("\n", bytes.length - 2) + 1),
    },
    {
      what: "a file cut within a row",
      path: fills,
      code: "CONTENT_DIFFERS",
      change: (bytes: Buffer) => bytes.subarray(0, bytes.length - 3),
    },
    {
      what: "an edited amount",
      path: fills,
      code: "CONTENT_DIFFERS",
      change: (bytes: Buffer) =>
        Buffer.from(bytes.toString().replace(/0\.(\d)/, (_, digit: string) => `0.${(Number(digit) + 1) % 10}`)),
    },
    { what: "a missing table", path: fills, code: "CAPTURE_INCOMPLETE", change: () => undefined },
    {
      what: "an edited fold",
      path: "journal/contents.json",
      code: "CONTENT_DIFFERS",
      change: (bytes: Buffer) =>
        Buffer.from(
          bytes
            .toString()
            .replace(/("journal\/folds\/balances\.copy":\{[^}]*"sha256":")./, (_, before: string) => `${before}0`)
            .replace(/("journal\/folds\/equity\.copy":\{[^}]*"sha256":")./, (_, before: string) => `${before}1`),
        ),
    },
    { what: "a missing list of contents", path: "journal/contents.json", code: "CAPTURE_INCOMPLETE", change: () => undefined },
    {
      what: "migrations of another program",
      path: "journal/migrations.json",
      code: "CAPTURE_INCOMPLETE",
      change: () => Buffer.from("{}"),
    },
    {
      what: "an index that is not made",
      path: "journal/catalogue.json",
      code: "JOURNAL_INVALID",
      change: (bytes: Buffer) =>
        Buffer.from(
          bytes.toString().replace('"lines":[', '"lines":["index CREATE INDEX by_hand ON risk.orders USING btree (state)",'),
        ),
    },
  ];
  test.each(damages.filter(({ what }) => isLongForm || !alike.has(what)))(
    "$what is refused with $code, and nothing is changed",
    async ({ path, change, code }) => {
      await expect(restorePostgres(restoring(postgres, withFile(snapshot, path, change), { id: "bad" }))).rejects.toMatchObject({
        code,
      });
      expect(await databases(postgres)).toEqual(["bellwether"]);
    },
  );

  test("a restore that is killed before any of its steps is finished by the next; the old database stands aside, closed", async () => {
    const shipper = new Shipper({ dsn: () => postgres.superuserDsn, target: store, clock: systemClock, log: silentLogger });
    await shipper.ship();
    const captured = await capture(postgres.superuserDsn);
    const trader = await Trader.of(postgres);
    await trader.trade();
    await shipper.ship();
    await shipper.close();
    const expected = await digests(postgres.superuserDsn);
    const highest = await epochs("max");

    const restore = restoreProcess(postgres, { snapshot: captured, segments: store.segments });
    try {
      for (const step of restoreSteps.filter((each) => isLongForm || deadlySteps.has(each))) {
        expect(await restore.run(step)).toEqual({ signal: "SIGKILL" });
        // Whoever trades goes on until the doors are shut.
        if (!["swap", "open"].includes(step)) expect(await digests(postgres.superuserDsn)).toEqual(expected);
      }
      expect(await restore.run()).toEqual({ steps: [] });
      expect(await restore.run()).toEqual({ steps: [] });
    } finally {
      restore.remove();
    }
    expect(await digests(postgres.superuserDsn)).toEqual(expected);
    expect(await databases(postgres)).toEqual(["bellwether", "bellwether_before_killed"]);
    const aside = postgres.superuserDsn.replace(/bellwether$/, "bellwether_before_killed");
    await expect(rowsOf(aside, "select 1")).rejects.toMatchObject({ code: "55000" });
    expect(await epochs("min")).toBeGreaterThan(highest);
    const [identity] = await sql("select database_id::text as id from risk.journal");
    expect(identity?.["id"]).not.toBe((captured.position("Journal") as { journalId: string }).journalId);
    expect(await sql("select slot_name from pg_replication_slots")).toEqual([]);
  });

  test("rights are as the services gave them: each role writes its own schema and reads the other's", async () => {
    await expect(
      rowsOf(
        postgres.brokerDsn,
        "insert into risk.public_keys (key_id, policy_uid, epoch, public_key) values ('k', 'p', 1, 'x')",
      ),
    ).rejects.toMatchObject({ code: "42501" });
    await expect(rowsOf(postgres.riskDsn, "delete from broker.fills")).rejects.toMatchObject({ code: "42501" });
    await expect(rowsOf(postgres.gatewayDsn, "select * from risk.orders")).rejects.toMatchObject({ code: "42501" });
    expect(await rowsOf(postgres.brokerDsn, "select count(*)::int > 0 as there from risk.public_keys")).toEqual([
      { there: true },
    ]);
    await rowsOf(postgres.riskDsn, "insert into risk.halts (policy_uid, reason, set_by) values ('p-new', 'drill', 'test')");
  });
});
