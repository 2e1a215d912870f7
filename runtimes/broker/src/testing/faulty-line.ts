import { CodedError } from "@bellwether/service-kit";
import type { BrokerErrorCode } from "../errors.ts";
import type { SubmitReply, SubmitRequest, Venue } from "../venues/venue.ts";

/** What becomes of one submission on its way. */
export type LineFault =
  | "none"
  /** It never arrives. */
  | "request-lost"
  /** It arrives; the answer does not (a timeout, or a 5xx after the venue took it). */
  | "reply-lost"
  /** The caller has given up before it arrives: {@link FaultyLine.deliverLate} delivers it. */
  | "late";

/** The network between a broker and its venue, with the faults a test asks for. */
export class FaultyLine {
  readonly #late: (() => Promise<SubmitReply>)[] = [];
  #next: LineFault[] = [];
  /** Reads fail, too. */
  down = false;
  /** News of changed orders does not come through; asking still helps. */
  hintsLost = false;

  /** Faults of the next submissions, in order; afterwards there are none. */
  plan(...faults: LineFault[]): void {
    this.#next = faults;
  }

  between = (venue: Venue): Venue => {
    const guarded = <T>(call: () => Promise<T>): Promise<T> => (this.down ? Promise.reject(lost("the line is down")) : call());
    return {
      kind: venue.kind,
      holdsExpiry: venue.holdsExpiry,
      ...(venue.validity ? { validity: venue.validity } : {}),
      ...(venue.fingerprint === undefined ? {} : { fingerprint: venue.fingerprint }),
      ...(venue.played ? { played: venue.played } : {}),
      ...(venue.cancelAllAfter
        ? { cancelAllAfter: (timeoutMs: number) => guarded(async () => venue.cancelAllAfter?.(timeoutMs)) }
        : {}),
      connect: () => guarded(() => venue.connect()),
      health: () => venue.health(),
      close: () => venue.close(),
      submit: (request) => this.#submit(venue, request),
      cancel: (request) => guarded(() => venue.cancel(request)),
      lookup: (sent) => guarded(() => venue.lookup(sent)),
      openOrders: () => guarded(() => venue.openOrders()),
      trades: (sent) => guarded(() => venue.trades(sent)),
      tradesSince: (sinceMs) => guarded(() => venue.tradesSince(sinceMs)),
      forgottenUntilMs: () => guarded(() => venue.forgottenUntilMs()),
      balances: () => guarded(() => venue.balances()),
      rules: (symbol) => venue.rules(symbol),
      markets: () => venue.markets(),
      onChange: (listener) =>
        venue.onChange((ids) => {
          if (!this.hintsLost) listener(ids);
        }),
    };
  };

  /** What was sent and did not arrive, arrives now. */
  async deliverLate(): Promise<readonly SubmitReply[]> {
    const replies: SubmitReply[] = [];
    for (const deliver of this.#late.splice(0)) replies.push(await deliver());
    return replies;
  }

  async #submit(venue: Venue, request: SubmitRequest): Promise<SubmitReply> {
    const fault = this.down ? "request-lost" : (this.#next.shift() ?? "none");
    if (fault === "request-lost") throw lost("the request was lost");
    if (fault === "late") {
      this.#late.push(() => venue.submit(request));
      throw lost("no answer in time");
    }
    const reply = await venue.submit(request);
    if (fault === "reply-lost") throw lost("502 after the venue took it");
    return reply;
  }
}

function lost(message: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", message);
}
