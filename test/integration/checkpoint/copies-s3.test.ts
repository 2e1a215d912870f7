import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Clock, systemClock } from "@bellwether/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Copy, type S3CopyOptions } from "../../../runtimes/checkpoint/src/copies/s3-copy.ts";
import { keepsTheContractOfCopies } from "../../../runtimes/checkpoint/src/testing/copy-contract.ts";
import { GivenCheckpoint, filesOf } from "../../../runtimes/checkpoint/src/testing/given-checkpoint.ts";
import { givenSource } from "../../../runtimes/checkpoint/src/testing/given-source.ts";
import { MemoryCopy } from "../../../runtimes/checkpoint/src/testing/memory-copy.ts";
import { freePort } from "../order-path/postgres.ts";
import { type TestS3, startVersitygw, versitygwMissing } from "./versitygw.ts";

const missing = versitygwMissing();
/** Bounded retries without the waiting in between. */
const hurried: Clock = { ...systemClock, sleep: () => Promise.resolve() };
const state = [
  givenSource("Journal", { "journal/intents.copy": Buffer.from("some rows\n"), "journal/other.copy": Buffer.from("more") }),
];

describe.skipIf(missing)(`a bucket${missing ? ` (${missing})` : ""}`, () => {
  let s3: TestS3;
  let prefixes = 0;
  const open = (options: Partial<S3CopyOptions> = {}): S3Copy => {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = s3;
    const credentials = () => ({ accessKeyId, secretAccessKey });
    const prefix = `test ${++prefixes}/(a)`;
    return new S3Copy({
      name: "bucket",
      endpoint,
      bucket,
      prefix,
      region: "us-east-1",
      credentials,
      fetch,
      clock: hurried,
      ...options,
    });
  };

  beforeAll(async () => {
    s3 = await startVersitygw();
  });
  afterAll(() => s3?.remove());

  keepsTheContractOfCopies(() => open());

  test("lists more than one page", async () => {
    const copy = open();
    const keys = Array.from({ length: 1_203 }, (_, index) => `journal/${String(index).padStart(5, "0")}`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => copy.put(key, Buffer.from(key), { ifAbsent: false })));
    expect((await Array.fromAsync(copy.list("journal/"))).map(({ key }) => key)).toEqual(keys);
  });

  test("keeps a snapshot, is healed from another copy when a stored bit flips, and leaves foreign objects alone", async () => {
    const prefix = "flips";
    const copy = open({ prefix });
    const checkpoint = new GivenCheckpoint();
    const other = new MemoryCopy("disk");
    const outcome = await checkpoint.snapshot([copy, other], state);
    expect(outcome.copies.map((each) => each.state)).toEqual(["Verified", "Verified"]);
    const root = path.join(s3.directory, prefix);
    const [chunk] = readdirSync(path.join(root, "chunks"), { recursive: true, encoding: "utf8" }).filter(
      (file) => file.length > 60,
    );
    const file = path.join(root, "chunks", chunk!);
    const bytes = readFileSync(file);
    bytes[40]! ^= 4;
    // The server goes on to serve it with status 200 and the digest of what was stored.
    writeFileSync(file, bytes);
    writeFileSync(path.join(root, "holiday.jpg"), "foreign");
    const verified = await checkpoint.verify([copy, other]);
    expect(verified.copies[0]).toMatchObject({ state: "Verified", damaged: 1, rebuilt: 1, foreign: 1 });
    expect(verified.verifiedCopies).toBe(2);
    expect(readFileSync(path.join(root, "holiday.jpg"), "utf8")).toBe("foreign");
    expect(Object.keys(await filesOf(await checkpoint.open([copy]), "Journal"))).toHaveLength(2);
  });

  test.each<[string, string, () => Partial<S3CopyOptions> | Promise<Partial<S3CopyOptions>>]>([
    [
      "COPY_CREDENTIALS_REFUSED",
      "a wrong secret",
      () => ({ credentials: () => ({ accessKeyId: s3.accessKeyId, secretAccessKey: "wrong" }) }),
    ],
    [
      "COPY_CREDENTIALS_REFUSED",
      "an unknown key",
      () => ({ credentials: () => ({ accessKeyId: "who", secretAccessKey: "wrong" }) }),
    ],
    ["COPY_BUCKET_MISSING", "a bucket that is not there", () => ({ bucket: "nowhere" })],
    ["COPY_CLOCK_SKEW", "a clock an hour ahead", () => ({ clock: { ...hurried, nowMs: () => Date.now() + 3_600_000 } })],
    ["COPY_UNREACHABLE", "a server that is not there", async () => ({ endpoint: `http://127.0.0.1:${await freePort()}` })],
    ["COPY_UNREACHABLE", "a name that nobody has", () => ({ endpoint: "http://s3.invalid" })],
  ])("says %s of %s, whatever is asked, and changes nothing", async (code, _, options) => {
    const copy = open(await options());
    const failure = expect.objectContaining({ code });
    await expect(copy.identity()).rejects.toEqual(failure);
    await expect(copy.get("chunks/ab/x")).rejects.toEqual(failure);
    await expect(copy.put("chunks/ab/x", Buffer.from("x"), { ifAbsent: true })).rejects.toEqual(failure);
    await expect(Array.fromAsync(copy.list("chunks/"))).rejects.toEqual(failure);
  });

  test("that can only be read says so, and can be read", async () => {
    const copy = open({ prefix: "read-only" });
    const checkpoint = new GivenCheckpoint();
    await checkpoint.snapshot([copy], state);
    await s3.stop();
    await s3.start({ readOnly: true });
    try {
      await expect(copy.put("chunks/ab/x", Buffer.from("x"), { ifAbsent: true })).rejects.toMatchObject({
        code: "COPY_READ_ONLY",
      });
      expect((await checkpoint.snapshot([copy], state)).copies).toMatchObject([
        { state: "Failed", fault: { code: "COPY_READ_ONLY" } },
      ]);
      expect(Object.keys(await filesOf(await checkpoint.open([copy]), "Journal"))).toHaveLength(2);
    } finally {
      await s3.stop();
      await s3.start();
    }
  });
});

describe.skipIf(missing)("a bucket behind TLS", () => {
  let directory: string;
  const openssl = (...options: string[]): void => void execFileSync("openssl", options, { stdio: "ignore", cwd: directory });

  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), "bellwether-cert-"));
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];
    openssl("req", "-new", ...newKey, "-out", "request.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each([
    ["that has expired", "COPY_CERTIFICATE_EXPIRED", "-1"],
    ["that nobody trusts", "COPY_CERTIFICATE_INVALID", "1"],
  ])("of a certificate %s says so: %s", async (...[, code, days]) => {
    const signed = ["-signkey", "key.pem", "-days", days, "-copy_extensions", "copy", "-out", "cert.pem"];
    openssl("x509", "-req", "-in", "request.pem", ...signed);
    const s3 = await startVersitygw({ cert: path.join(directory, "cert.pem"), key: path.join(directory, "key.pem") });
    try {
      const copy = new S3Copy({
        ...s3,
        name: "bucket",
        prefix: "",
        region: "us-east-1",
        credentials: () => s3,
        fetch,
        clock: hurried,
      });
      await expect(copy.get("chunks/ab/x")).rejects.toMatchObject({ code });
    } finally {
      await s3.remove();
    }
  });
});
