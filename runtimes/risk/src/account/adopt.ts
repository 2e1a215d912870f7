import { CodedError } from "@bellwether/service-kit";
import { type BrokerAccount, type DriftEntry, parseDecimal, subtract } from "@bellwether/trading";
import type { RiskErrorCode } from "../errors.ts";
import type { Adjustment } from "../journal/control-records.ts";
import { type AccountBook, baseOf } from "../portfolio/book.ts";
import type { Drift } from "./reconcile.ts";

/** Assets that open orders may still move: what the send log knows is settled by itself. */
export function movingAssets(book: AccountBook, currency: string): ReadonlySet<string> {
  const open = book.openOrders();
  return new Set(open.length === 0 ? [] : [currency, ...open.map(({ order }) => baseOf(order.market))]);
}

export interface AdoptionWorld {
  readonly drift: readonly Drift[];
  /** What the person decided on; absent: whatever it is now. */
  readonly seen: readonly DriftEntry[] | undefined;
  readonly moving: ReadonlySet<string>;
}

/**
 * The adjustments that make the journal say what the venue says.
 *
 * @throws CodedError NOT_DRIFTING, DRIFT_CHANGED (with the present drift in its details), DRIFT_IN_SEND_LOG
 */
export function planAdoption({ drift, seen, moving }: AdoptionWorld): Adjustment[] {
  if (drift.length === 0) throw new CodedError<RiskErrorCode>("NOT_DRIFTING", "journal and venue hold the same amounts");
  if (seen !== undefined && !sameDrift(drift, seen)) {
    throw new CodedError<RiskErrorCode>("DRIFT_CHANGED", "journal and venue differ by other amounts now: look again", {
      context: { drift },
    });
  }
  const explained = drift.filter(({ asset }) => moving.has(asset));
  if (explained.length > 0) {
    const names = explained.map(({ asset }) => asset).join(", ");
    throw new CodedError<RiskErrorCode>(
      "DRIFT_IN_SEND_LOG",
      `orders are under way that move ${names}: they are settled by themselves`,
    );
  }
  return drift.map(({ asset, journal, venue }) => ({ asset, amount: subtract(parseDecimal(venue), parseDecimal(journal)) }));
}

function sameDrift(drift: readonly Drift[], seen: readonly DriftEntry[]): boolean {
  const key = ({ asset, journal, venue }: DriftEntry): string => `${asset} ${parseDecimal(journal)} ${parseDecimal(venue)}`;
  const wanted = new Set(seen.map(key));
  return drift.length === wanted.size && drift.every((entry) => wanted.has(key(entry)));
}

/** Why an account is held: the differences that no order explains. Undefined: it is not. */
export function heldMessage(
  drift: readonly Drift[],
  moving: ReadonlySet<string>,
  trades: BrokerAccount["foreignTrades"] = [],
): string | undefined {
  const unexplained = drift.filter(({ asset }) => !moving.has(asset));
  if (unexplained.length === 0) return undefined;
  const shown = unexplained.slice(0, 5).map(({ asset, journal, venue }) => `${asset}: journal ${journal}, venue ${venue}`);
  const more = unexplained.length > shown.length ? ` and ${unexplained.length - shown.length} more` : "";
  return `Journal and venue differ, so nothing is ordered until a person has looked (${shown.join("; ")}${more}).${causeOf(trades)}`;
}

/** What another hand has done on the account, when the venue tells. */
function causeOf(trades: NonNullable<BrokerAccount["foreignTrades"]>): string {
  const [last] = trades;
  if (!last) return "";
  const done = last.side === "buy" ? "bought" : "sold";
  const more = trades.length > 1 ? `, and ${trades.length - 1} more` : "";
  return ` Another hand has ${done} ${last.quantity} of ${last.market} at ${last.price} (trade ${last.tradeId})${more}.`;
}
