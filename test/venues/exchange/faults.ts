/** What becomes of the next requests that match. */
export interface Fault {
  /** End of the path the fault is for, such as `/order`; every path when absent. */
  readonly path?: string;
  readonly method?: string;
  readonly kind: FaultKind;
  /** For `status` and `status-after`: 418 and 429 are the ways to say "slower". */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  readonly delayMs?: number;
  /** How many requests; for ever when absent. */
  times?: number;
}

export const faultKinds = [
  /** The connection breaks before the exchange has read the request. */
  "lost-request",
  /** The exchange does what is asked; the connection breaks before it has said so. */
  "lost-reply",
  /** It does it now and answers late. */
  "late-reply",
  /** The request spends its time on the way: it is taken, and its time stamp judged, late. */
  "late-request",
  /** It does nothing and answers with this status. */
  "status",
  /** It does it and answers with this status, as a front that has lost patience. */
  "status-after",
  /** A page instead of JSON, status 200. */
  "garbage",
  /** Lists of trades hold every trade twice. */
  "duplicate-fills",
  /** Lists of trades come youngest first. */
  "reordered-fills",
  /** Lists of trades lack the youngest, as while a replica lags. */
  "missing-fill",
  /** The running candle only: the last closed one is late. */
  "late-candle",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Faults that wait for requests to meet. */
export class FaultPlan {
  #faults: Fault[] = [];

  replace(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault }));
  }

  /** The first fault for this request; it counts as met. */
  take(method: string, path: string): Fault | undefined {
    const fault = this.#faults.find(
      (candidate) =>
        (candidate.path === undefined || path.endsWith(candidate.path)) &&
        (candidate.method === undefined || candidate.method === method),
    );
    if (fault?.times === undefined) return fault;
    fault.times -= 1;
    if (fault.times <= 0) this.#faults = this.#faults.filter((other) => other !== fault);
    return fault;
  }
}
