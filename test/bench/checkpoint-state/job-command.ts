// One job on a state that is a file, in a process of its own, so that its memory can be told: node job-command.ts snapshot|verify OPTIONS (JSON)
import { createReadStream } from "node:fs";
import process from "node:process";
import { Database } from "@bellwether/postgres";
import { silentLogger, systemClock, systemRandom } from "@bellwether/service-kit";
import { PostgresCopy } from "../../../runtimes/checkpoint/src/copies/postgres-copy.ts";
import { S3Copy } from "../../../runtimes/checkpoint/src/copies/s3-copy.ts";
import { VolumeCopy } from "../../../runtimes/checkpoint/src/copies/volume-copy.ts";
import { Envelope } from "../../../runtimes/checkpoint/src/format/envelope.ts";
import { KeyRing } from "../../../runtimes/checkpoint/src/format/key-ring.ts";
import { takeSnapshot } from "../../../runtimes/checkpoint/src/snapshot/snapshot-writer.ts";
import type { Source } from "../../../runtimes/checkpoint/src/source.ts";
import { verifyCopies } from "../../../runtimes/checkpoint/src/verification/verify.ts";

export interface JobOptions {
  readonly state: string;
  readonly directory: string;
  readonly dsn: string;
  readonly s3: {
    readonly endpoint: string;
    readonly bucket: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
}

export interface JobResult {
  readonly seconds: number;
  readonly verifiedCopies: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly rssMiB: number;
}

const [job = "", json = "{}"] = process.argv.slice(2);
const { state, directory, dsn, s3 } = JSON.parse(json) as JobOptions;
const clock = systemClock;
const database = new Database({ dsn, clock, log: silentLogger, applicationName: "bench" });
const copies = [
  new VolumeCopy({ name: "disk", directory, random: systemRandom }),
  new PostgresCopy({ name: "database", database, host: () => "localhost" }),
  new S3Copy({ ...s3, name: "bucket", prefix: "bench", region: "us-east-1", credentials: () => s3, fetch, clock }),
];
const source: Source = {
  name: "Journal",
  open: async () => ({
    position: {},
    close: async () => undefined,
    async *files() {
      yield {
        path: "journal/state.copy",
        content: createReadStream(state, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>,
      };
    },
  }),
};
const envelope = new Envelope(new KeyRing({ current: Buffer.alloc(32, 7) }));
const parts = { copies, envelope, clock, run: String(process.pid) };
const { signal } = new AbortController();
const checkpoint = { namespace: "bench", name: "bench", uid: "bench" };
const startedMs = performance.now();
const figures =
  job === "snapshot"
    ? await takeSnapshot({ ...parts, sources: [source], checkpoint }, signal)
    : await verifyCopies({ ...parts, owner: checkpoint.uid, share: { part: 0, of: 1 } }, signal);
const result: JobResult = {
  seconds: (performance.now() - startedMs) / 1_000,
  verifiedCopies: figures.copies.filter((copy) => copy.state === "Verified").length,
  bytes: "bytes" in figures ? figures.bytes : 0,
  storedBytes: "bytes" in figures ? (figures.copies[0]?.storedBytes ?? 0) : 0,
  rssMiB: process.resourceUsage().maxRSS / 1_024,
};
process.stdout.write(JSON.stringify(result));
await database.close();
