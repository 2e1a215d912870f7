import { CodedError } from "@bellwether/service-kit";
import type { RiskErrorCode } from "../errors.ts";
import type { Database, Transaction } from "./database.ts";

/** What this process may write under: nobody else does while its row says so. */
export interface WriterEpoch {
  /** The policy's uid. */
  readonly scope: string;
  readonly epoch: number;
}

/**
 * Makes this process the only writer of the policy: one above every epoch ever issued. Waits for write transactions of the holder before to end
 * (they hold the row FOR SHARE) and shuts it out.
 */
export async function takeEpoch(database: Database, scope: string, holder: string): Promise<WriterEpoch> {
  return database.transaction(async (transaction) => {
    // The keys remember epochs, too: a deleted row must not let an old number be issued again.
    const [row] = await transaction.query<{ epoch: string }>(
      `insert into risk.writer_epochs (scope, epoch, holder)
       values ($1, 1 + coalesce((select max(epoch) from risk.public_keys where policy_uid = $1), 0), $2)
       on conflict (scope) do update set
         epoch = 1 + greatest(risk.writer_epochs.epoch, (select coalesce(max(epoch), 0) from risk.public_keys where policy_uid = $1)),
         holder = excluded.holder, taken_at = now()
       returning epoch`,
      [scope, holder],
    );
    if (!row) throw new CodedError<RiskErrorCode>("INVARIANT_BROKEN", "taking the writer epoch returned no row");
    return { scope, epoch: Number(row.epoch) };
  });
}

/**
 * First statement of every write transaction. The share lock keeps the epoch until COMMIT: a successor waits for it.
 *
 * @throws CodedError EPOCH_LOST when another process has taken over
 */
export async function requireEpoch(transaction: Transaction, { scope, epoch }: WriterEpoch): Promise<void> {
  const rows = await transaction.query("select 1 from risk.writer_epochs where scope = $1 and epoch = $2 for share", [
    scope,
    epoch,
  ]);
  if (rows.length === 1) return;
  throw new CodedError<RiskErrorCode>("EPOCH_LOST", `epoch ${epoch} of policy ${scope} has been superseded`, {
    context: { scope, epoch },
  });
}
