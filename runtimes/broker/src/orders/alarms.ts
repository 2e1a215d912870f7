import type { BrokerErrorCode } from "../errors.ts";

/** Refusals that no healthy risk ever meets: somebody else speaks, or risk is out of its mind. */
const alarming: ReadonlySet<string> = new Set<BrokerErrorCode>([
  "APPROVAL_SIGNATURE_WRONG",
  "APPROVAL_KEY_UNKNOWN",
  "APPROVAL_TOO_LONG",
  "NONCE_REUSED",
  "CLIENT_ORDER_ID_REUSED",
  "INTENT_ALREADY_PLACED",
  "EPOCH_STALE",
  "ACCOUNT_MISMATCH",
  "ORDER_MALFORMED",
  "HARD_CAP_ORDER_NOTIONAL",
  "HARD_CAP_DAILY_NOTIONAL",
]);
const shownForMs = 600_000;

/** One kind of refused approval since this process started. Times are wall time. */
export interface Alarm {
  readonly code: BrokerErrorCode;
  readonly count: number;
  readonly lastAtMs: number;
  readonly message: string;
}

/** Approvals that were refused and should not have come; each kind is told once with its number, so that a flood of them fills nothing. */
export class Alarms {
  readonly #byCode = new Map<BrokerErrorCode, Alarm>();

  /** @returns whether this refusal is alarming */
  refused(code: BrokerErrorCode, message: string, nowMs: number): boolean {
    if (!alarming.has(code)) return false;
    const count = (this.#byCode.get(code)?.count ?? 0) + 1;
    this.#byCode.set(code, { code, count, lastAtMs: nowMs, message: message.slice(0, 300) });
    return true;
  }

  /** Those of the last ten minutes, youngest first. */
  recent(nowMs: number): readonly Alarm[] {
    return [...this.#byCode.values()]
      .filter((alarm) => nowMs - alarm.lastAtMs < shownForMs)
      .sort((a, b) => b.lastAtMs - a.lastAtMs);
  }
}
