import { Database } from "@bellwether/postgres";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresCopy } from "../../../runtimes/checkpoint/src/copies/postgres-copy.ts";
import { keepsTheContractOfCopies } from "../../../runtimes/checkpoint/src/testing/copy-contract.ts";
import { GivenCheckpoint, filesOf } from "../../../runtimes/checkpoint/src/testing/given-checkpoint.ts";
import { givenSource } from "../../../runtimes/checkpoint/src/testing/given-source.ts";
import { MemoryCopy } from "../../../runtimes/checkpoint/src/testing/memory-copy.ts";
import { type TestPostgres, freePort, postgresMissing, rowsOf, startPostgres, withClient } from "../order-path/postgres.ts";

const missing = postgresMissing();
const files = { "journal/intents.copy": Buffer.from("some rows\n"), "journal/other.copy": Buffer.from("more") };

describe.skipIf(missing)(`a table of another Postgres${missing ? ` (${missing})` : ""}`, () => {
  let postgres: TestPostgres;
  const opened: PostgresCopy[] = [];
  const statement = (...statements: string[]): Promise<void> =>
    withClient(postgres.superuserDsn, async (client) => {
      for (const sql of statements) await client.query(sql);
    });
  const open = (dsn = postgres.superuserDsn): PostgresCopy => {
    const database = new Database({ dsn, clock: systemClock, log: silentLogger, applicationName: "test" });
    const copy = new PostgresCopy({ name: "database", database, host: () => new URL(dsn).hostname });
    opened.push(copy);
    return copy;
  };

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  beforeEach(() => statement("drop schema if exists bellwether_checkpoint cascade"));
  afterEach(async () => {
    for (const copy of opened.splice(0)) await copy.close();
  });
  afterAll(() => postgres?.remove());

  keepsTheContractOfCopies(() => open());

  test("keeps a snapshot and heals it from another copy", async () => {
    const copy = open();
    const checkpoint = new GivenCheckpoint();
    const other = new MemoryCopy("disk");
    await checkpoint.snapshot([copy, other], [givenSource("Journal", files)]);
    await statement("update bellwether_checkpoint.objects set bytes = set_byte(bytes, 40, 1 + get_byte(bytes, 40) % 255)");
    expect((await checkpoint.verify([copy, other])).copies[0]).toMatchObject({ state: "Verified", damaged: 3, rebuilt: 3 });
    expect(Object.keys(await filesOf(await checkpoint.open([copy]), "Journal"))).toEqual(Object.keys(files));
  });

  test("never counts when it is on the server that the state is taken from", async () => {
    const copy = open();
    const { systemIdentifier = "" } = await copy.identity();
    const source = givenSource("Journal", files, { position: { systemIdentifier } });
    const outcome = await new GivenCheckpoint().snapshot([copy, new MemoryCopy("disk")], [source]);
    expect(outcome.copies[0]).toMatchObject({ state: "Failed", fault: { code: "COPY_IS_SOURCE" } });
    expect(await rowsOf(postgres.superuserDsn, "select key from bellwether_checkpoint.objects")).toEqual([]);
  });

  test("says that it can only be read, may not be used, or is not there", async () => {
    await open().put("handled/1", Buffer.from("x"), { ifAbsent: true });
    const put = (copy: PostgresCopy): Promise<boolean> => copy.put("handled/2", Buffer.from("x"), { ifAbsent: true });
    const reading = open();
    await expect(put(open(postgres.riskDsn))).rejects.toMatchObject({ code: "COPY_FORBIDDEN" });
    await statement("alter database bellwether set default_transaction_read_only = on");
    await expect(put(reading)).rejects.toMatchObject({ code: "COPY_READ_ONLY" });
    expect(String(await reading.get("handled/1"))).toBe("x");
    await statement("set default_transaction_read_only = off", "alter database bellwether reset default_transaction_read_only");
    await expect(put(open(`postgres://postgres@127.0.0.1:${await freePort()}/bellwether`))).rejects.toMatchObject({
      code: "COPY_UNREACHABLE",
    });
  });

  test("that stops in between is unreachable, and goes on by itself when it is back", async () => {
    const copy = open();
    await copy.put("handled/1", Buffer.from("x"), { ifAbsent: true });
    postgres.kill();
    await expect(copy.get("handled/1")).rejects.toMatchObject({ code: "COPY_UNREACHABLE" });
    postgres.start();
    await expect.poll(() => copy.get("handled/1").then(String, () => "away"), { timeout: 30_000 }).toBe("x");
  });
});
