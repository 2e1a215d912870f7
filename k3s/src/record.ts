import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { z } from "zod";
import type { DriverName } from "./drivers/driver.ts";
import { ClusterError } from "./errors.ts";

const recordSchema = z.object({
  version: z.literal(1),
  driver: z.enum(["current", "k3s", "kind", "source"]),
  /** Checkout whose `.bellwether/kubeconfig` belongs to this cluster. */
  checkout: z.string(),
  startedAt: z.string(),
  /** `current`: what was not there before and is removed by `down`. */
  created: z.object({ namespaces: z.array(z.string()), definitions: z.array(z.string()) }).optional(),
});

/** Which cluster `up` made or used on this machine: `down` acts on this and on nothing else. */
export type ClusterRecord = z.infer<typeof recordSchema>;

/** One per user, outside the checkout: a clone may be deleted while its cluster runs. */
export function recordFile(env: NodeJS.ProcessEnv = process.env): string {
  const base = env["XDG_STATE_HOME"] ? path.resolve(env["XDG_STATE_HOME"]) : path.join(homedir(), ".local/state");
  return path.join(base, "bellwether", "cluster.json");
}

/** @throws ClusterError STATE_UNREADABLE when the file is not one of ours */
export function readRecord(file: string = recordFile()): ClusterRecord | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new ClusterError("STATE_UNREADABLE", `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

export function writeRecord(record: ClusterRecord, file: string = recordFile()): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(record, null, 2));
  renameSync(`${file}.new`, file);
}

export function removeRecord(file: string = recordFile()): void {
  rmSync(file, { force: true });
}

/**
 * Whether `wanted` may start although `recorded` exists: only the same kind of cluster is updated in place.
 *
 * @throws ClusterError FOREIGN_CLUSTER when another kind is up
 */
export function assertSameDriver(recorded: ClusterRecord | undefined, wanted: DriverName): void {
  if (!recorded || recorded.driver === wanted) return;
  throw new ClusterError(
    "FOREIGN_CLUSTER",
    `a ${recorded.driver} cluster made from ${recorded.checkout} is up: run \`npm run down\` first, or name it with --cluster ${recorded.driver}`,
    { context: { ...recorded } },
  );
}
