import { databaseError } from "../source-postgres/errors.ts";

/** Which transactions a snapshot sees, as `pg_current_snapshot()` writes it: `xmin:xmax:in progress`. */
export interface SnapshotView {
  readonly xmax: bigint;
  readonly inProgress: ReadonlySet<bigint>;
}

export function parseSnapshot(text: string): SnapshotView {
  const match = /^\d+:(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text);
  const [, xmax, inProgress] = match ?? [];
  if (xmax === undefined) throw databaseError("WIRE_UNKNOWN", `${text} is no snapshot`);
  const ids = inProgress === undefined || inProgress === "" ? [] : inProgress.split(",");
  return { xmax: BigInt(xmax), inProgress: new Set(ids.map(BigInt)) };
}

/** Whether a committed transaction is in the snapshot: exactly then a copy that was made under it has the rows. Ids and times of commit say nothing of it. */
export function isVisible(xid: bigint, { xmax, inProgress }: SnapshotView): boolean {
  return xid < xmax && !inProgress.has(xid);
}
