import { readFileSync } from "node:fs";
import path from "node:path";
import { Database } from "@bellwether/postgres";
import type { Clock, Logger, Random } from "@bellwether/service-kit";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { CheckpointConfig, CopyConfig } from "../config.ts";
import { checkpointError } from "../errors.ts";
import type { Copy } from "./copy.ts";
import { PostgresCopy } from "./postgres-copy.ts";
import { S3Copy, type S3Credentials } from "./s3-copy.ts";
import { VolumeCopy } from "./volume-copy.ts";

export interface CopyEdge {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** All copies of a Checkpoint, those that answer fastest first: they are read in this order. Nothing is asked of them yet. */
export function openCopies({ copies, checkpoint }: CheckpointConfig, edge: CopyEdge): readonly Copy[] {
  const order = (copy: CopyConfig): number => ("volume" in copy ? 0 : "postgres" in copy ? 1 : 2);
  return copies.toSorted((a, b) => order(a) - order(b)).map((copy) => openCopy(copy, { ...edge, owner: checkpoint.name }));
}

function openCopy(copy: CopyConfig, edge: CopyEdge & { readonly owner: string }): Copy {
  const { name } = copy;
  if ("volume" in copy) return new VolumeCopy({ name, directory: copy.volume.path, random: edge.random });
  if ("postgres" in copy) {
    const dsn = (): string => secretIn(name, copy.postgres.dsnFile);
    const applicationName = `bellwether-checkpoint ${edge.owner}`;
    const database = new Database({ dsn, clock: edge.clock, log: edge.log, applicationName });
    return new PostgresCopy({ name, database, host: () => hostOf(dsn()) });
  }
  const { endpoint, bucket, prefix, region, credentialsDir } = copy.s3;
  return new S3Copy({
    name,
    endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
    bucket,
    prefix,
    region,
    credentials: () => s3Credentials(name, credentialsDir),
    fetch: edge.fetch,
    clock: edge.clock,
  });
}

function s3Credentials(name: string, directory: string): S3Credentials {
  const read = (key: string): string => secretIn(name, path.join(directory, key));
  return { accessKeyId: read("accessKeyId"), secretAccessKey: read("secretAccessKey") };
}

/** @throws CodedError COPY_CREDENTIALS_MISSING, which never quotes what is there */
function secretIn(name: string, file: string): string {
  try {
    const text = readFileSync(file, "utf8").trim();
    if (text !== "") return text;
  } catch (cause) {
    throw checkpointError("COPY_CREDENTIALS_MISSING", `${name}: ${messageOf(cause)}`, { context: { copy: name, file }, cause });
  }
  throw checkpointError("COPY_CREDENTIALS_MISSING", `${name}: ${file} is empty`, { context: { copy: name, file } });
}

/** The host of a connection string; what it does not name is on this machine. */
function hostOf(dsn: string): string {
  return URL.parse(dsn)?.hostname || "localhost";
}
