import { CodedError } from "@bellwether/service-kit";
import type { PostgresErrorCode } from "./errors.ts";
import type { Transaction } from "./journal-database.ts";

/** Whose epoch: a row of `<schema>.writer_epochs`. */
export interface WriterScope {
  readonly schema: "risk" | "broker";
  /** The policy's uid, or the account's. */
  readonly scope: string;
}

/**
 * Makes the caller the only writer of a scope: one above every epoch ever issued, `floor` (what is remembered elsewhere) included. Waits for write
 * transactions of the holder before to end, which hold the row FOR SHARE, and shuts it out.
 */
export async function takeWriterEpoch(
  transaction: Transaction,
  { schema, scope }: WriterScope,
  { holder, floor }: { holder: string; floor: number },
): Promise<number> {
  const [row] = await transaction.query<{ epoch: string }>(
    `insert into ${schema}.writer_epochs (scope, epoch, holder) values ($1, $3::bigint + 1, $2)
     on conflict (scope) do update set epoch = greatest(${schema}.writer_epochs.epoch, $3::bigint) + 1, holder = excluded.holder, taken_at = now()
     returning epoch`,
    [scope, holder, floor],
  );
  if (!row) throw new CodedError<PostgresErrorCode>("INVARIANT_BROKEN", "taking the writer epoch returned no row");
  return Number(row.epoch);
}

/** First statement of every write transaction. The share lock keeps the epoch until COMMIT: a successor waits for it. False: someone else has taken over. */
export async function holdsWriterEpoch(
  transaction: Transaction,
  { schema, scope, epoch }: WriterScope & { epoch: number },
): Promise<boolean> {
  const rows = await transaction.query(`select 1 from ${schema}.writer_epochs where scope = $1 and epoch = $2 for share`, [
    scope,
    epoch,
  ]);
  return rows.length === 1;
}
