import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../../../errors.ts";
import { VenueAnswer } from "../../../feeds/ccxt/venue-answer.ts";
import type { LegsReply, PlaceReply } from "./dialect.ts";

/** What an exchange's refusals of orders mean, by its own codes. */
export interface RefusalCodes {
  /** Name of the exchange, for messages. */
  readonly exchange: string;
  /** Time-outs, busy systems and internal faults: whether the order was taken is not said. */
  readonly undecided: (answer: VenueAnswer) => boolean;
  /** The time stamp is outside the window. */
  readonly clock: (code: string) => boolean;
  /** The key is unknown, wrong or may not trade. */
  readonly credentials: ReadonlySet<string>;
  readonly noSuchOrder: ReadonlySet<string>;
}

/**
 * What a refusal of a placement says. One without a code comes from some front, and says nothing of the order.
 *
 * @throws CodedError VENUE_UNREACHABLE when it leaves open whether the order was taken
 */
export function refusedPlacement(answer: VenueAnswer, codes: RefusalCodes): Extract<PlaceReply, { accepted: false }> {
  const { code, venueMessage, message } = answer;
  if (code === "" || codes.undecided(answer)) throw leftOpen(codes, message, answer);
  const reason = `${code}: ${venueMessage}`;
  if (codes.clock(code)) return { accepted: false, reason, fault: "clock" };
  return { accepted: false, reason, ...(codes.credentials.has(code) ? { fault: "credentials" as const } : {}) };
}

/** A placement whose answer says no more than that it was taken. @throws CodedError VENUE_UNREACHABLE */
export async function takenOrRefused(call: Promise<unknown>, codes: RefusalCodes): Promise<LegsReply> {
  try {
    await call;
    return { accepted: true };
  } catch (error) {
    if (error instanceof VenueAnswer) return refusedPlacement(error, codes);
    throw error;
  }
}

/** The answer to a call about one order; undefined when the venue knows none. */
export async function unlessAbsent(call: Promise<unknown>, { noSuchOrder }: RefusalCodes): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof VenueAnswer && noSuchOrder.has(error.code)) return undefined;
    throw error;
  }
}

/** An answer that cannot be read as yes or no. */
export function leftOpen(
  { exchange }: Pick<RefusalCodes, "exchange">,
  message: string,
  cause?: unknown,
): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", `${exchange} leaves it open: ${message}`, { cause });
}
