import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, replaceFile } from "../../durable/directory.ts";
import { FramedLog, readFramedLog } from "../../durable/framed-log.ts";
import type { FailPoints } from "../../fail-points.ts";

const snapshotName = /^snapshot-(\d{8})\.json$/;
const numberedName = /^(?:snapshot-(\d{8})\.json|commands-(\d{8})\.log)$/;

/** What a directory holds: the newest whole snapshot and the commands after it. */
export interface StoredPaperState {
  readonly number: number;
  readonly snapshot: string | undefined;
  readonly frames: readonly string[];
}

/** @throws CodedError LOG_CORRUPT */
export async function readPaperState(directory: string): Promise<StoredPaperState> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  const numbers = names.flatMap((name) => snapshotName.exec(name)?.[1] ?? []).map(Number);
  if (numbers.length === 0) return { number: 0, snapshot: undefined, frames: [] };
  const number = Math.max(...numbers);
  const log = path(directory, number).log;
  // A crash between the two files leaves a snapshot without commands: none were taken yet.
  const frames = names.includes(log.slice(directory.length + 1)) ? await readFramedLog(log) : [];
  return { number, snapshot: await readFile(path(directory, number).snapshot, "utf8"), frames };
}

/**
 * Begins the next generation: the state as a snapshot, then an empty log behind it, then the older files go. Whatever crashes in between,
 * a whole snapshot with its commands is there. A superseded process that still writes does so into a file nobody reads.
 */
export async function beginGeneration(
  directory: string,
  { number, snapshot, failPoints }: { number: number; snapshot: string; failPoints: FailPoints },
): Promise<FramedLog> {
  const files = path(directory, number);
  failPoints.pass("append-begins");
  await replaceFile(files.snapshot, snapshot);
  failPoints.pass("append-synced");
  // A log of this number can only be left by a process that ended right here before.
  await rm(files.log, { force: true });
  const log = await FramedLog.create(files.log, failPoints);
  for (const name of await readdir(directory)) {
    const match = numberedName.exec(name);
    const other = match && Number(match[1] ?? match[2]);
    if (other !== null && other < number) await rm(join(directory, name), { force: true });
  }
  await syncDirectory(files.log);
  return log;
}

function path(directory: string, number: number): { snapshot: string; log: string } {
  const digits = String(number).padStart(8, "0");
  return { snapshot: join(directory, `snapshot-${digits}.json`), log: join(directory, `commands-${digits}.log`) };
}
