import { type JournalDatabase, type Transaction, holdsWriterEpoch, takeWriterEpoch } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import type { RiskErrorCode } from "../errors.ts";
import { readHighestEpochSeen } from "./venue-records.ts";

/** What this process may write under: nobody else does while its row says so. */
export interface WriterEpoch {
  /** The policy's uid. */
  readonly scope: string;
  readonly epoch: number;
}

/**
 * Makes this process the only writer of the policy: one above every epoch ever issued. A journal that came back from an older copy has forgotten some; the
 * brokers of `accountUids` remember what they have seen.
 */
export async function takeEpoch(
  database: JournalDatabase,
  { scope, accountUids }: { scope: string; accountUids: readonly string[] },
  holder: string,
): Promise<WriterEpoch> {
  return database.transaction(async (transaction) => {
    const seen = await readHighestEpochSeen(transaction, accountUids);
    // The keys remember epochs, too: a deleted row must not let an old number be issued again.
    const [keys] = await transaction.query<{ epoch: string }>(
      "select coalesce(max(epoch), 0) as epoch from risk.public_keys where policy_uid = $1",
      [scope],
    );
    const epoch = await takeWriterEpoch(
      transaction,
      { schema: "risk", scope },
      { holder, floor: Math.max(seen, Number(keys?.epoch ?? 0)) },
    );
    return { scope, epoch };
  });
}

/**
 * First statement of every write transaction.
 *
 * @throws CodedError EPOCH_LOST when another process has taken over
 */
export async function requireEpoch(transaction: Transaction, { scope, epoch }: WriterEpoch): Promise<void> {
  if (await holdsWriterEpoch(transaction, { schema: "risk", scope, epoch })) return;
  throw new CodedError<RiskErrorCode>("EPOCH_LOST", `epoch ${epoch} of policy ${scope} has been superseded`, {
    context: { scope, epoch },
  });
}
