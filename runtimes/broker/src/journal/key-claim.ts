import { type Transaction, takeWriterEpoch } from "@bellwether/postgres";
import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";

/**
 * How a venue's key stays one account's: its broker renews the claim this often; who wants a key of another's asks this often, and may have it once the claim
 * has not been renewed for `leaseMs`. A policy that is made anew waits no longer than a minute for the key of the one before.
 */
export const keyClaim = { renewEveryMs: 10_000, retryEveryMs: 5_000, leaseMs: 40_000 } as const;

export interface KeyClaim {
  readonly fingerprint: string;
  readonly accountUid: string;
  /** What the last look at this key found; undefined: there was none, or the key was in use. */
  readonly silence: KeySilence | undefined;
}

/** A claim of another account that nobody renews. */
export interface KeySilence {
  readonly holder: string;
  readonly seenAtMs: number;
}

export type KeyAnswer =
  { readonly claimed: true } | { readonly claimed: false; readonly holder: string; readonly silence: KeySilence | undefined };

interface HeldRow {
  readonly account_uid: string;
  readonly seen_at_ms: string;
  readonly now_ms: string;
}

/**
 * Makes a key an account's, or renews the claim. A claim of another account is taken over when it stood still for its lease *and* between two looks: when
 * Postgres was away its holder could not renew it either, and does so before the second look. Taking over raises the holder's writer epoch in the same
 * transaction, so that a holder that was only asleep writes nothing any more, and what it does not write it does not send: there are never two.
 *
 * @throws CodedError ACCOUNT_IN_USE: silent, but something of the holder's may still happen at the venue
 */
export async function claimKey(transaction: Transaction, claim: KeyClaim): Promise<KeyAnswer> {
  const held = await lookAt(transaction, claim);
  if (!held)
    return (await take(transaction, claim, ""))
      ? { claimed: true }
      : inUse((await lookAt(transaction, claim))?.holder ?? "", undefined);
  const { holder, silence } = held;
  if (!silence || silence.holder !== claim.silence?.holder || silence.seenAtMs !== claim.silence.seenAtMs)
    return inUse(holder, silence);
  // Before the key's own row, as the holder takes them: the other way round the two could wait for each other. Waits for what the holder is writing now.
  await takeWriterEpoch(transaction, { schema: "broker", scope: holder }, { holder: `fenced by ${claim.accountUid}`, floor: 0 });
  if (await take(transaction, claim, holder)) return { claimed: true };
  // Thrown, so that the holder keeps its epoch.
  throw accountInUse(holder, "Its broker is silent, but orders of it are open");
}

/** Who else holds the key; undefined: nobody, or the account itself. */
async function lookAt(
  transaction: Transaction,
  { fingerprint, accountUid }: KeyClaim,
): Promise<{ holder: string; silence: KeySilence | undefined } | undefined> {
  const [row] = await transaction.query<HeldRow>(
    `select account_uid, floor(extract(epoch from seen_at) * 1000)::bigint as seen_at_ms, floor(extract(epoch from now()) * 1000)::bigint as now_ms
     from broker.account_keys where fingerprint = $1`,
    [fingerprint],
  );
  if (!row || row.account_uid === accountUid) return undefined;
  const [holder, seenAtMs] = [row.account_uid, Number(row.seen_at_ms)];
  const isSilent = Number(row.now_ms) - seenAtMs >= keyClaim.leaseMs;
  return { holder, silence: isSilent ? { holder, seenAtMs } : undefined };
}

/** @param holder whose claim may be taken over; "": nobody's */
async function take(transaction: Transaction, { fingerprint, accountUid }: KeyClaim, holder: string): Promise<boolean> {
  const claimed = await transaction.query(
    `insert into broker.account_keys as held (fingerprint, account_uid) values ($1, $2)
     on conflict (fingerprint) do update set account_uid = excluded.account_uid, seen_at = now()
     where held.account_uid = excluded.account_uid or (held.account_uid = $3 and held.seen_at < now() - make_interval(secs => $4)
       and not exists (select 1 from broker.orders o where o.account_uid = held.account_uid
         and (o.state in ('AboutToSend', 'Unknown', 'Working') or o.protective_legs <> '{}'))
       and not exists (select 1 from broker.solana_transactions t where t.account_uid = held.account_uid and t.state = 'Signed'))
     returning account_uid`,
    [fingerprint, accountUid, holder, keyClaim.leaseMs / 1_000],
  );
  return claimed.length > 0;
}

const inUse = (holder: string, silence: KeySilence | undefined): KeyAnswer => ({ claimed: false, holder, silence });

/** Says whose the key is, by the account's name: the rest of its uid means nothing to a person. */
export function accountInUse(holder: string, also?: string): CodedError<BrokerErrorCode> {
  const message = `AccountInUse: the key trades for account ${holder.split("/").at(-1) ?? ""} of another policy or name already; one key belongs to one account.${also === undefined ? "" : ` ${also}.`}`;
  return new CodedError<BrokerErrorCode>("ACCOUNT_IN_USE", message, { context: { holder } });
}
