import type { TradingCondition } from "@bellwether/trading";
import type { Strategy } from "./strategy.ts";

/** Why a strategy may or may not trade: condition reasons, each with a sentence. Documented in docs/journal.md. */
export type TradingStatusReason =
  | "Active"
  | "NotAdmitted"
  | "Deleting"
  | "Suspended"
  | "PolicyHalted"
  | "PolicyReducing"
  | "JournalUnavailable"
  | "VenueUnreachable"
  | "MarketDataEnded";

export interface TradingStatus {
  readonly allowed: boolean;
  readonly reason: TradingStatusReason;
  readonly message: string;
}

export interface TradingStatusWorld {
  readonly strategy: Pick<Strategy, "admitted" | "suspended" | "deletion" | "decisionFault">;
  readonly trading: TradingCondition;
  readonly journalAvailable: boolean;
  readonly venue: { readonly reachable: boolean; readonly message: string };
  readonly endedMessage: string | undefined;
}

/** The first thing that stands in the way, those first that a person decided. */
export function tradingStatus({ strategy, trading, journalAvailable, venue, endedMessage }: TradingStatusWorld): TradingStatus {
  const no = (reason: TradingStatusReason, message: string): TradingStatus => ({
    allowed: false,
    reason,
    message: message.slice(0, 500),
  });
  if (strategy.deletion)
    return no(
      "Deleting",
      `The strategy is being deleted; what it holds will be ${strategy.deletion === "Flatten" ? "sold" : "kept"}.`,
    );
  if (strategy.suspended)
    return no("Suspended", "The strategy is suspended: its working orders are cancelled, its positions stay.");
  if (trading.state === "Halted")
    return no("PolicyHalted", `The risk policy is halted by the ${trading.by}: ${trading.message}.`);
  if (!journalAvailable)
    return no("JournalUnavailable", "Postgres does not answer: no journal, no trading. Trading resumes by itself.");
  if (!strategy.admitted) return no("NotAdmitted", "The strategy has not been given its capital yet.");
  if (endedMessage !== undefined) return no("MarketDataEnded", `The market data has ended: ${endedMessage}.`);
  if (!venue.reachable) return no("VenueUnreachable", `The account's broker cannot be reached: ${venue.message}.`);
  if (trading.state === "Reducing") {
    return {
      allowed: true,
      reason: "PolicyReducing",
      message: `Only orders that shrink a position pass, says the ${trading.by}: ${trading.message}.`.slice(0, 500),
    };
  }
  const { decisionFault: fault } = strategy;
  const without = fault === undefined ? "" : ` The last decision went without its models: ${fault}`;
  return { allowed: true, reason: "Active", message: `Trading is allowed.${without}`.slice(0, 500) };
}
