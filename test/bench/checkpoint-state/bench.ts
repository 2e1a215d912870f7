/**
 * A state of 1 GiB to a volume, a bucket on a real S3 server and another real Postgres: how long a snapshot takes and reading back all of it, how much memory a job
 * needs, and what a state that has grown by a fiftieth adds (BELLWETHER_BENCH_MIB=N for another size).
 */
import { execFile } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { seededRandom } from "@bellwether/service-kit/random";
import { dumpLike } from "../../../runtimes/checkpoint/src/testing/random-bytes.ts";
import { startVersitygw, versitygwMissing } from "../../integration/checkpoint/versitygw.ts";
import { postgresMissing, startPostgres } from "../../integration/order-path/postgres.ts";
import type { BenchResult } from "../result.ts";
import type { JobOptions, JobResult } from "./job-command.ts";

const MIB = Number(process.env["BELLWETHER_BENCH_MIB"] ?? 1_024);
const mebibyte = 1024 * 1024;
const command = path.join(import.meta.dirname, "job-command.ts");
/** As the image starts it. */
const flags = ["--max-semi-space-size=4", "--max-old-space-size=96"];

export async function bench(): Promise<BenchResult> {
  const name = "checkpoint state";
  const missing = postgresMissing() ?? versitygwMissing();
  if (missing !== undefined) return { name, rows: [], skipped: missing };
  const [postgres, s3] = await Promise.all([startPostgres(), startVersitygw()]);
  const root = mkdtempSync(path.join(tmpdir(), "bellwether-state-"));
  try {
    const options = { state: path.join(root, "state"), directory: path.join(root, "disk"), dsn: postgres.superuserDsn, s3 };
    mkdirSync(options.directory);
    const random = seededRandom(1);
    for (let written = 0; written < MIB; written++) appendFileSync(options.state, dumpLike(mebibyte, random));
    const first = await run("snapshot", options);
    const verified = await run("verify", options);
    for (let written = 0; written < MIB / 50; written++) appendFileSync(options.state, dumpLike(mebibyte, random));
    const second = await run("snapshot", options);
    return {
      name,
      rows: [
        { metric: "state", value: first.bytes / mebibyte, unit: "MiB" },
        { metric: "stored on each copy", value: first.storedBytes / mebibyte, unit: "MiB" },
        { metric: "snapshot to three copies, read back", value: first.seconds, unit: "s", goal: "≤ 60" },
        { metric: "copies verified", value: first.verifiedCopies, unit: "", goal: "≥ 3" },
        { metric: "snapshot, peak resident memory", value: first.rssMiB, unit: "MiB", goal: "≤ 200" },
        { metric: "all of it verified on three copies", value: verified.seconds, unit: "s", goal: "≤ 240" },
        { metric: "verification, peak resident memory", value: verified.rssMiB, unit: "MiB", goal: "≤ 200" },
        { metric: "grown by a fiftieth: snapshot", value: second.seconds, unit: "s", goal: "≤ 60" },
        {
          metric: "grown by a fiftieth: stored anew",
          value: (100 * second.storedBytes) / first.storedBytes,
          unit: "%",
          goal: "≤ 10",
        },
      ],
    };
  } finally {
    postgres.remove();
    await s3.remove();
    rmSync(root, { recursive: true, force: true });
  }
}

async function run(job: "snapshot" | "verify", options: JobOptions): Promise<JobResult> {
  const env = { ...process.env, MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "2" };
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, command, job, JSON.stringify(options)], { env });
  return JSON.parse(stdout) as JobResult;
}
