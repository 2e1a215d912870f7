import { type Decimal, ONE, ZERO, add, formatDecimal, minimum, startingCapital, subtract } from "@bellwether/trading";

export interface AdmissionWorld {
  readonly accountName: string;
  readonly currency: string;
  /** Opening balances have been read from the venue. */
  readonly opened: boolean;
  readonly accountEquity: Decimal;
  /** Cash of `unassigned`. */
  readonly unassignedCash: Decimal;
  /** Sum of the share ratios of the strategies admitted to this account and not settled. */
  readonly claimedRatio: Decimal;
  readonly shareRatio: Decimal;
  /** Markets whose quote is not the policy's base currency. */
  readonly foreignMarkets: readonly string[];
}

export type Admission =
  { readonly admitted: true; readonly capital: Decimal } | { readonly admitted: false; readonly message: string };

/**
 * What a strategy gets, once: its share of the account's equity, and never more than nobody has been given. Shares of all strategies together stay at or
 * below the whole; what others have won or lost since changes nothing of theirs.
 */
export function planAdmission(world: AdmissionWorld): Admission {
  const { accountName, currency, shareRatio, claimedRatio, unassignedCash } = world;
  const refuse = (message: string): Admission => ({ admitted: false, message });
  const [foreign] = world.foreignMarkets;
  if (foreign !== undefined) return refuse(`${foreign} is not quoted in ${currency}, the policy's base currency.`);
  if (!world.opened) return refuse(`The balances of account ${accountName} have not been read from its venue yet.`);
  const left = subtract(ONE, claimedRatio);
  if (shareRatio <= 0n)
    return refuse(`capital.shareRatio must be above 0; of account ${accountName} ${formatDecimal(left)} is unclaimed.`);
  if (add(claimedRatio, shareRatio) > ONE) {
    return refuse(
      `Other strategies claim ${formatDecimal(claimedRatio)} of account ${accountName}: ${formatDecimal(shareRatio)} does not fit. Lower capital.shareRatio to at most ${formatDecimal(left)}.`,
    );
  }
  const capital = minimum(startingCapital(world.accountEquity, shareRatio), unassignedCash);
  if (capital <= ZERO) return refuse(`Account ${accountName} has no unassigned ${currency} left to give.`);
  return { admitted: true, capital };
}
