import { type BrokerAccount, type Decimal, ZERO, add, formatDecimal, parseDecimal, subtract } from "@bellwether/trading";
import { type BookTransfer, unassigned } from "../portfolio/book.ts";
import { assetBalances } from "../portfolio/valuation.ts";
import type { Account } from "./account.ts";

/**
 * False while the venue has told nobody what it holds: a live venue that takes no orders yet (not connected, no key it may use) answers with an empty list,
 * which must not be taken for an empty account.
 */
export function balancesAreKnown({ balances, venue }: BrokerAccount): boolean {
  return balances.length > 0 || venue?.accepts !== "none";
}

/** What the venue holds of each asset, free and locked. */
export function venueBalances(state: BrokerAccount): Map<string, Decimal> {
  return new Map(state.balances.map(({ asset, free, locked }) => [asset, add(parseDecimal(free), parseDecimal(locked))]));
}

/**
 * Takes the account's opening balances from its venue into `unassigned`, once in its life. What is in the broker's journal already is taken off: those
 * fills are folded on their own. Nothing is sent before this is done, so that nothing can move meanwhile.
 *
 * @returns false when the broker does not answer, does not know its venue's balances, or has not made its tables yet
 */
export async function openAccount(account: Account, policyUid: string): Promise<boolean> {
  const state = await account.askVenue();
  if (!state || !balancesAreKnown(state)) return false;
  return account.exclusive(async (book) => {
    if (account.opened) return true;
    if (!account.hasVenueRecords) return false;
    const folded = assetBalances(book);
    const transfers: BookTransfer[] = [];
    for (const [asset, balance] of venueBalances(state)) {
      const amount = subtract(balance, folded.get(asset) ?? ZERO);
      if (amount > 0n) transfers.push({ from: undefined, to: unassigned, asset, amount });
    }
    await account.write(async (transaction) => {
      for (const { to, asset, amount } of transfers) {
        await transaction.query(
          "insert into risk.transfers (account_uid, kind, to_sub_account, asset, amount) values ($1, 'Opening', $2, $3, $4)",
          [account.accountUid, to, asset, formatDecimal(amount)],
        );
      }
      await transaction.query("update risk.accounts set opened_at = now() where account_uid = $1 and policy_uid = $2", [
        account.accountUid,
        policyUid,
      ]);
    });
    for (const transfer of transfers) book.applyTransfer(transfer);
    account.markOpened();
    return true;
  });
}
