import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serviceEntry } from "../../suites/service-entry.ts";
import {
  type TestPostgres,
  dataTemplateVariable,
  postgresMissing,
  rowsOf,
  startPostgres,
  withClient,
} from "../order-path/postgres.ts";
import { Trader, fillJournal, startJournalServer } from "./database-fixture.ts";
import { type TestS3, startVersitygw, versitygwMissing } from "./versitygw.ts";

const missing = postgresMissing() ?? versitygwMissing();
const main = serviceEntry("checkpoint");

interface Ended {
  readonly code: number | null;
  readonly result: Record<string, unknown>;
}

describe.skipIf(missing)(`the program on a volume, a bucket and another Postgres${missing ? ` (${missing})` : ""}`, () => {
  let source: TestPostgres;
  let second: TestPostgres;
  let s3: TestS3;
  let directory: string;
  const children = new Set<ChildProcess>();
  const disk = (): string => path.join(directory, "disk");

  beforeAll(async () => {
    [source, s3] = await Promise.all([startJournalServer(), startVersitygw()]);
    // A copy of the run's data directory would be the same server to whoever asks for its identifier.
    const template = process.env[dataTemplateVariable];
    delete process.env[dataTemplateVariable];
    second = await startPostgres();
    if (template !== undefined) process.env[dataTemplateVariable] = template;
    await fillJournal(source, 1);
    directory = mkdtempSync(path.join(tmpdir(), "bellwether-checkpoint-"));
    mkdirSync(disk());
    const file = (name: string, text: string): string => {
      writeFileSync(path.join(directory, name), text);
      return path.join(directory, name);
    };
    file("accessKeyId", s3.accessKeyId);
    file("secretAccessKey", s3.secretAccessKey);
    const config = {
      checkpoint: { namespace: "bellwether", name: "hourly", uid: "uid-1" },
      copies: [
        {
          name: "bucket",
          s3: { endpoint: s3.endpoint, bucket: s3.bucket, prefix: "bellwether/hourly", credentialsDir: directory },
        },
        { name: "database", postgres: { dsnFile: file("second", second.superuserDsn) } },
        { name: "disk", volume: { path: disk() } },
      ],
      minVerifiedCopies: 2,
      encryption: { keyFile: file("key", Buffer.alloc(32, 5).toString("base64")) },
      include: ["Journal", "Positions", "LlmCache"],
      retention: { hourly: 2 },
      database: { dsnFile: file("source", source.superuserDsn) },
      shipEveryMs: 100,
      healthPort: 0,
      logLevel: "warn",
    };
    file("config.json", JSON.stringify(config));
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    source?.remove();
    second?.remove();
    await s3?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  const begin = (...args: string[]): ChildProcess => {
    const env = { ...process.env, BELLWETHER_CONFIG: path.join(directory, "config.json") };
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
    children.add(child);
    return child;
  };
  const ended = async (child: ChildProcess): Promise<Ended> => {
    let output = "";
    child.stdout?.on("data", (text: Buffer) => (output += text.toString("utf8")));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, result: output === "" ? {} : (JSON.parse(output) as Record<string, unknown>) };
  };
  const run = (...args: string[]): Promise<Ended> => ended(begin(...args));
  const stored = (folder: string): number => {
    try {
      return readdirSync(path.join(disk(), folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
        .length;
    } catch {
      return 0;
    }
  };

  test.each(["locks", "chunks", "manifests"])(
    "killed once it has written to %s, the next run takes the snapshot whole",
    async (folder) => {
      const before = stored(folder);
      const child = begin("snapshot");
      const end = ended(child);
      while (stored(folder) <= before && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
      child.kill("SIGKILL");
      await end;
      expect((await run("snapshot")).result).toMatchObject({ ok: true, verifiedCopies: 3 });
      expect((await run("verify", "--all")).result).toMatchObject({ ok: true, verifiedCopies: 3, lost: [] });
      expect((await run("prune")).result).toMatchObject({ ok: true });
    },
  );

  test("with two of three copies destroyed, restores the journal to the last row that was shipped, once; then all copies are whole again", async () => {
    const shipping = begin("ship");
    const shipped = ended(shipping);
    const before = stored("journal");
    const trader = await Trader.of(source);
    // What is committed before a series begins is in the snapshot, not in the series.
    const slots = "select 1 from pg_replication_slots where confirmed_flush_lsn is not null";
    await expect.poll(() => rowsOf(source.superuserDsn, slots), { timeout: 60_000 }).toHaveLength(2);
    await trader.trade();
    await expect.poll(() => stored("journal"), { timeout: 60_000 }).toBeGreaterThan(before);
    expect((await run("snapshot")).result).toMatchObject({ ok: true });
    const id = await trader.trade();
    const [flushed] = await rowsOf(source.superuserDsn, "select pg_current_wal_flush_lsn()::text as lsn");
    const released = "select 1 from pg_replication_slots where confirmed_flush_lsn >= $1::pg_lsn";
    await expect.poll(() => rowsOf(source.superuserDsn, released, [flushed?.["lsn"]]), { timeout: 60_000 }).toHaveLength(2);
    shipping.kill("SIGTERM");
    expect(await shipped).toMatchObject({ code: 0, result: { ok: true } });

    rmSync(disk(), { recursive: true });
    mkdirSync(disk());
    await withClient(
      second.superuserDsn,
      async (client) => void (await client.query("drop schema bellwether_checkpoint cascade")),
    );
    expect(await run("trial-restore")).toMatchObject({ code: 0, result: { ok: true } });
    const restored = await run("restore", "--request", "first");
    expect(restored).toMatchObject({ code: 0, result: { ok: true, skipped: [], recorded: ["disk", "database", "bucket"] } });
    const fills = "select 1 from broker.fills where client_order_id = $1";
    expect(await rowsOf(source.superuserDsn, fills, [id])).toHaveLength(1);
    expect((await run("restore", "--request", "first")).result).toMatchObject({ ok: true, alreadyHandled: true });

    expect((await run("verify", "--all")).result).toMatchObject({ ok: true, verifiedCopies: 3 });
    expect((await run("snapshot")).result).toMatchObject({ ok: true, verifiedCopies: 3 });
  });

  test("says with a code why a job has failed, and with another exit code how it is used", async () => {
    expect(await run("restore")).toMatchObject({ code: 1, result: { ok: false, code: "REQUEST_MISSING" } });
    expect(await run("trial-restore", "--snapshot", "none")).toMatchObject({ code: 1, result: { code: "SNAPSHOT_NOT_FOUND" } });
    await s3.stop();
    expect((await run("snapshot")).result).toMatchObject({
      ok: true,
      verifiedCopies: 2,
      copies: [
        { state: "Verified" },
        { state: "Verified" },
        { name: "bucket", state: "Unreachable", fault: { code: "COPY_UNREACHABLE" } },
      ],
    });
    await s3.start();
  });
});
