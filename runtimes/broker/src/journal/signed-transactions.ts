import { CodedError } from "@bellwether/service-kit";
import { formatDecimal, parseDecimal } from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";
import type { VenueJournal, VenueTrade } from "../venues/venue.ts";
import type { Transaction } from "@bellwether/postgres";

/** What a transaction is for: an order, or a transfer to an address of the allow-list. */
export type Operation =
  | { readonly kind: "swap"; readonly market: string; readonly side: "buy" | "sell" }
  | { readonly kind: "transfer"; readonly asset: string; readonly destination: string };

/** Signed bytes and what became of them; one row an operation. Heights, slots and lamports are exact. */
export interface SignedTransaction {
  readonly operationId: string;
  readonly operation: Operation;
  readonly signature: string;
  /** On the wire: identical bytes may be sent again. */
  readonly wire: Uint8Array;
  readonly blockhash: string;
  readonly lastValidBlockHeight: bigint;
  readonly feeLamports: bigint;
  readonly state: "Signed" | "Finalized" | "Failed" | "NeverLanded";
  readonly reason?: string;
  readonly trades: readonly VenueTrade[];
  readonly storedAtMs: number;
}

export interface SignedBytes {
  readonly operationId: string;
  readonly operation: Operation;
  readonly signature: string;
  readonly wire: Uint8Array;
  readonly blockhash: string;
  readonly lastValidBlockHeight: bigint;
  readonly feeLamports: bigint;
  readonly atMs: number;
  /** Fees of all transactions stored since then may come to at most this; absent for bytes that have left already (from the send log). */
  readonly budget?: { readonly sinceMs: number; readonly lamports: bigint };
}

export interface Charge {
  readonly chargeId: string;
  readonly asset: string;
  /** Decimal text; what leaves the account. */
  readonly amount: string;
  readonly reason: string;
  readonly timeMs: number;
}

/** An ending: recorded with its charges in one transaction. */
export interface Ending {
  readonly state: "Finalized" | "Failed" | "NeverLanded";
  readonly slot?: bigint;
  readonly feeLamports: bigint;
  readonly reason?: string;
  readonly trades: readonly VenueTrade[];
  readonly charges: readonly Charge[];
  readonly atMs: number;
}

interface Row {
  readonly operation_id: string;
  readonly operation: Operation;
  readonly signature: string;
  readonly wire: Buffer;
  readonly blockhash: string;
  readonly last_valid_block_height: string;
  readonly fee_lamports: string;
  readonly state: SignedTransaction["state"] | "NeverSigned";
  readonly reason: string | null;
  readonly trades: VenueTrade[];
  readonly stored_at_ms: string;
}

const columns =
  "operation_id, operation, signature, wire, blockhash, last_valid_block_height, fee_lamports, state, reason, trades, stored_at_ms";

/** The signed transactions of one account. Every write holds the writer epoch. */
export class SignedTransactions {
  readonly #journal: VenueJournal;
  readonly #accountUid: string;

  constructor(journal: VenueJournal, accountUid: string) {
    this.#journal = journal;
    this.#accountUid = accountUid;
  }

  /**
   * Stores signed bytes, once for an operation; nothing may be sent before this returns.
   *
   * @returns false when something is there already: other bytes, or the record that nothing will ever be signed
   * @throws CodedError FEE_BUDGET; JOURNAL_UNAVAILABLE (it may be stored)
   */
  async store(signed: SignedBytes): Promise<boolean> {
    return this.#journal.write(async (transaction) => {
      await this.#requireBudget(transaction, signed);
      const { operationId, operation, signature, wire, blockhash, lastValidBlockHeight, feeLamports, atMs } = signed;
      const rows = await transaction.query(
        `insert into broker.solana_transactions
           (account_uid, operation_id, signature, wire, blockhash, last_valid_block_height, fee_lamports, state, stored_at_ms, operation)
         values ($1, $2, $3, $4, $5, $6, $7, 'Signed', $8, $9::jsonb) on conflict do nothing returning 1`,
        [
          this.#accountUid,
          operationId,
          signature,
          Buffer.from(wire),
          blockhash,
          String(lastValidBlockHeight),
          String(feeLamports),
          atMs,
          JSON.stringify(operation),
        ],
      );
      return rows.length === 1;
    });
  }

  /** What was signed for an operation; undefined while nothing is known of it, or nothing ever will be. */
  async find(operationId: string): Promise<SignedTransaction | undefined> {
    const [row] = await this.#journal.write((transaction) =>
      transaction.query<Row>(
        `select ${columns} from broker.solana_transactions where account_uid = $1 and operation_id = $2 and state <> 'NeverSigned'`,
        [this.#accountUid, operationId],
      ),
    );
    return row && signedTransaction(row);
  }

  /** Makes sure that nothing will be signed for an operation that has nothing yet. @returns what was signed after all */
  async forbid(operationId: string, atMs: number): Promise<SignedTransaction | undefined> {
    await this.#journal.write((transaction) =>
      transaction.query(
        `insert into broker.solana_transactions (account_uid, operation_id, state, stored_at_ms) values ($1, $2, 'NeverSigned', $3)
         on conflict do nothing`,
        [this.#accountUid, operationId, atMs],
      ),
    );
    return this.find(operationId);
  }

  /** Those whose fate is open, oldest first. */
  async open(): Promise<readonly SignedTransaction[]> {
    const rows = await this.#journal.write((transaction) =>
      transaction.query<Row>(
        `select ${columns} from broker.solana_transactions where account_uid = $1 and state = 'Signed' order by stored_at_ms limit 1000`,
        [this.#accountUid],
      ),
    );
    return rows.map(signedTransaction);
  }

  /** Records how an open one ended; a repeated report changes nothing. */
  async end(signature: string, ending: Ending): Promise<void> {
    await this.#journal.write(async (transaction) => {
      const rows = await transaction.query(
        `update broker.solana_transactions set state = $3, slot = $4, fee_lamports = $5, reason = $6, trades = $7::jsonb, resolved_at_ms = $8
         where account_uid = $1 and signature = $2 and state = 'Signed' returning 1`,
        [
          this.#accountUid,
          signature,
          ending.state,
          ending.slot === undefined ? null : String(ending.slot),
          String(ending.feeLamports),
          ending.reason ?? null,
          JSON.stringify(ending.trades),
          ending.atMs,
        ],
      );
      if (rows.length === 0) return;
      for (const charge of ending.charges) {
        await transaction.query(
          `insert into broker.charges (account_uid, charge_id, asset, amount, reason, time_ms) values ($1, $2, $3, $4, $5, $6)
           on conflict do nothing`,
          [
            this.#accountUid,
            charge.chargeId,
            charge.asset,
            formatDecimal(parseDecimal(charge.amount)),
            charge.reason,
            charge.timeMs,
          ],
        );
      }
    });
  }

  /** Fees since an instant: what was paid, and for open ones the most they may cost. Lamports. */
  async spentSince(sinceMs: number): Promise<bigint> {
    return this.#journal.write((transaction) => this.#spent(transaction, sinceMs));
  }

  async #spent(transaction: Transaction, sinceMs: number): Promise<bigint> {
    const [row] = await transaction.query<{ spent: string }>(
      `select coalesce(sum(fee_lamports), 0)::text as spent from broker.solana_transactions where account_uid = $1 and stored_at_ms >= $2`,
      [this.#accountUid, sinceMs],
    );
    return BigInt(row?.spent ?? "0");
  }

  async #requireBudget(transaction: Transaction, { budget, feeLamports }: SignedBytes): Promise<void> {
    if (!budget) return;
    const spent = await this.#spent(transaction, budget.sinceMs);
    if (spent + feeLamports <= budget.lamports) return;
    throw new CodedError<BrokerErrorCode>(
      "FEE_BUDGET",
      `${spent} of ${budget.lamports} lamports of fees are used today, this transaction may cost another ${feeLamports}`,
    );
  }
}

function signedTransaction(row: Row): SignedTransaction {
  if (row.state === "NeverSigned")
    throw new CodedError<BrokerErrorCode>("INVARIANT_BROKEN", "nothing was signed for this operation");
  return {
    operationId: row.operation_id,
    operation: row.operation,
    signature: row.signature,
    wire: new Uint8Array(row.wire),
    blockhash: row.blockhash,
    lastValidBlockHeight: BigInt(row.last_valid_block_height),
    feeLamports: BigInt(row.fee_lamports),
    state: row.state,
    trades: row.trades,
    storedAtMs: Number(row.stored_at_ms),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}
