import type { LeaseReply, LeaseUpdate } from "./ledger.ts";
import {
  NOTHING,
  type Spend,
  type SpendLimits,
  addSpend,
  fitsWithin,
  maximumSpend,
  minimumSpend,
  roomWithin,
  scaleSpend,
  subtractSpend,
} from "./spend.ts";

/** Why a paid call may not start, or that it may. */
export type Reservation =
  | { readonly granted: true; readonly repeated: boolean }
  /** The grant is too small or has run out, and more may be had: send {@link BudgetPurse.nextUpdate}, or await its answer, and ask again. */
  | { readonly granted: false; readonly reason: "LEASE_NEEDED"; readonly worst: Spend; readonly room: Spend }
  /** It would pass the limit even if every other reservation came to nothing. */
  | {
      readonly granted: false;
      readonly reason: "EXHAUSTED";
      readonly worst: Spend;
      readonly spent: Spend;
      readonly limits: SpendLimits;
    }
  | { readonly granted: false; readonly reason: "ALREADY_ENDED"; readonly id: string }
  | { readonly granted: false; readonly reason: "TOO_MANY_OPEN"; readonly maximum: number }
  | { readonly granted: false; readonly reason: "CLOSED" };

/** What became of the end of a reservation. */
export type Ending =
  /** The first word about it: `charged` is now spent. */
  | { readonly applied: true; readonly charged: Spend; readonly overrun: boolean }
  /** Said before, never reserved, or long forgotten: nothing changed. */
  | { readonly applied: false };

interface Entry {
  readonly worst: Spend;
  readonly deadlineMs: number;
  /** `charged`: gone out, never heard of again, its worst case counts until its usage is known. */
  readonly state: "open" | "charged" | "ended";
}

export interface PurseOptions {
  /** One life of one replica, in one period. */
  readonly holder: string;
  readonly limits: SpendLimits;
}

const REPORT_EVERY_MS = 500;
const RENEW_EVERY_MS = 10_000;
/** How much spending is leased ahead, in time: what a crash may cost is what was leased and not spent. */
const AHEAD_MS = 2_000;
/** At most this part of the budget lies with one replica unspent. */
const LARGEST_PART = 200n;
const MAX_OPEN = 10_000;
const MAX_ENDED = 20_000;

/**
 * One replica's money for one month: reserves a request's worst case before it leaves, within what the {@link Ledger} granted, without
 * asking anyone. Knows no clock and no network: whoever drives it hands in the time and carries its updates.
 *
 *   reserve ──► open ── settle(usage) ──► ended                       usage known: that much is spent
 *                 ├──── release ────────► ended                       it never left, or the provider refused it: nothing is spent
 *                 └──── abandon, or its time is up ──► charged        it left and nobody knows: the worst case is spent …
 *                                                        └─ settle ─► ended      … until the usage comes in late
 *
 * Every exit is idempotent by the reservation's id. A second attempt at another model is another reservation.
 */
export class BudgetPurse {
  readonly #options: PurseOptions;
  /** Open and charged ones, in order of opening; ended ones are kept apart, so that dropping the oldest is cheap. */
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new Set<string>();
  #cap = NOTHING;
  #spent = NOTHING;
  #reserved = NOTHING;
  #openCount = 0;
  #leasedUntilMs = Number.NEGATIVE_INFINITY;
  #nextDeadlineMs = Number.POSITIVE_INFINITY;
  #sequence = 0;
  #pending: { readonly update: LeaseUpdate; readonly sentAtMs: number } | undefined;
  #lastSentAtMs = Number.NEGATIVE_INFINITY;
  #lastSentSpent = NOTHING;
  #spentByOthers = NOTHING;
  #answered = false;
  #scarce = false;
  #unmet = NOTHING;
  #taken = NOTHING;
  #largest = NOTHING;
  #overruns = 0;
  #closing = false;
  #closed = false;

  constructor(options: PurseOptions) {
    this.#options = options;
  }

  /**
   * Holds the worst case of one call until it is settled, released or abandoned.
   *
   * @param request `id`: the request's, with the attempt; `worst`: upper bound of its cost; `deadlineMs`: epoch milliseconds after which
   *   nobody will say what became of it
   */
  reserve(request: { id: string; worst: Spend; deadlineMs: number }, nowMs: number): Reservation {
    if (this.#closing) return { granted: false, reason: "CLOSED" };
    this.#expire(nowMs);
    const known = this.#entries.get(request.id);
    if (known?.state === "open") return { granted: true, repeated: true };
    if (known !== undefined || this.#ended.has(request.id)) return { granted: false, reason: "ALREADY_ENDED", id: request.id };
    if (this.#openCount >= MAX_OPEN) return { granted: false, reason: "TOO_MANY_OPEN", maximum: MAX_OPEN };

    const { worst } = request;
    const room = subtractSpend(this.#cap, this.#committed());
    if (nowMs >= this.#leasedUntilMs || !fitsWithin(worst, room)) return this.#refuse(worst, room);
    this.#entries.set(request.id, { worst, deadlineMs: request.deadlineMs, state: "open" });
    this.#openCount += 1;
    this.#reserved = addSpend(this.#reserved, worst);
    this.#taken = addSpend(this.#taken, worst);
    this.#largest = maximumSpend(this.#largest, worst);
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, request.deadlineMs);
    return { granted: true, repeated: false };
  }

  #refuse(worst: Spend, room: Spend): Reservation {
    const spent = addSpend(this.#spentByOthers, this.#spent);
    const left = roomWithin(this.#options.limits, spent);
    if (this.#answered && !fitsWithin(worst, left)) {
      return { granted: false, reason: "EXHAUSTED", worst, spent, limits: this.#options.limits };
    }
    // Not the sum of all who wait: most of them ask again and again, and each would count as often.
    this.#unmet = maximumSpend(this.#unmet, worst);
    return { granted: false, reason: "LEASE_NEEDED", worst, room };
  }

  /** The provider reported what the call used: that is spent. Also after it was given up. */
  settle(id: string, actual: Spend): Ending {
    const entry = this.#entries.get(id);
    if (entry === undefined) return { applied: false };
    this.#end(id, entry);
    this.#spent = addSpend(this.#spent, actual);
    const overrun = !fitsWithin(actual, entry.worst);
    if (overrun) this.#overruns += 1;
    return { applied: true, charged: actual, overrun };
  }

  /** The call never left, or the provider refused it before any work: nothing is spent. Only for what is known to be free. */
  release(id: string): Ending {
    const entry = this.#entries.get(id);
    if (entry?.state !== "open") return { applied: false };
    this.#end(id, entry);
    return { applied: true, charged: NOTHING, overrun: false };
  }

  /** The call left and nobody will know what it used: its worst case is spent, until {@link settle} knows better. */
  abandon(id: string): Ending {
    const entry = this.#entries.get(id);
    if (entry?.state !== "open") return { applied: false };
    this.#charge(id, entry);
    return { applied: true, charged: entry.worst, overrun: false };
  }

  #charge(id: string, entry: Entry): void {
    this.#entries.set(id, { ...entry, state: "charged" });
    this.#openCount -= 1;
    this.#reserved = subtractSpend(this.#reserved, entry.worst);
    this.#spent = addSpend(this.#spent, entry.worst);
    this.#boundCharged();
  }

  #end(id: string, entry: Entry): void {
    this.#entries.delete(id);
    if (entry.state === "open") {
      this.#openCount -= 1;
      this.#reserved = subtractSpend(this.#reserved, entry.worst);
    } else this.#spent = subtractSpend(this.#spent, entry.worst);
    this.#remember(id);
  }

  #remember(id: string): void {
    this.#ended.add(id);
    if (this.#ended.size <= MAX_ENDED) return;
    const [oldest] = this.#ended;
    if (oldest !== undefined) this.#ended.delete(oldest);
  }

  /** The oldest of those given up stay charged for good: nobody waits for the usage of ten thousand lost calls. */
  #boundCharged(): void {
    if (this.#entries.size - this.#openCount <= MAX_OPEN) return;
    for (const [id, entry] of this.#entries) {
      if (entry.state !== "charged") continue;
      this.#entries.delete(id);
      this.#remember(id);
      return;
    }
  }

  /** Charges what is open past its time. A full pass, and only when the earliest deadline has come. */
  #expire(nowMs: number): void {
    if (nowMs < this.#nextDeadlineMs) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [id, entry] of this.#entries) {
      if (entry.state !== "open") continue;
      if (entry.deadlineMs <= nowMs) this.#charge(id, entry);
      else next = Math.min(next, entry.deadlineMs);
    }
    this.#nextDeadlineMs = next;
  }

  #committed(): Spend {
    return addSpend(this.#spent, this.#reserved);
  }

  /**
   * What to tell the ledger now; undefined while an update is under way or nothing is due. Ask after each refusal with LEASE_NEEDED and
   * every few hundred milliseconds; exactly one of {@link accept} and {@link lost} must follow.
   */
  nextUpdate(nowMs: number): LeaseUpdate | undefined {
    this.#expire(nowMs);
    if (this.#pending !== undefined || !this.#isDue(nowMs)) return undefined;
    const committed = this.#committed();
    const target = this.#targetHeadroom(nowMs);
    const headroom = maximumSpend(NOTHING, subtractSpend(this.#cap, committed));
    const keep = this.#closing ? this.#spent : addSpend(committed, minimumSpend(headroom, this.#kept(target)));
    const wants = this.#closing ? NOTHING : maximumSpend(NOTHING, subtractSpend(addSpend(committed, target), keep));
    const needs = this.#closing ? NOTHING : maximumSpend(NOTHING, subtractSpend(addSpend(committed, this.#unmet), keep));
    // The last word is said: usage that comes in later has nowhere to go.
    if (this.#closing) this.#entries.clear();
    this.#sequence += 1;
    const { holder } = this.#options;
    const update = { holder, sequence: this.#sequence, spent: this.#spent, keep, wants, needs, closing: this.#closing };
    // From here on no more than `keep` is committed: the ledger may give the rest to another replica before it answers this one.
    this.#cap = keep;
    this.#pending = { update, sentAtMs: nowMs };
    this.#lastSentAtMs = nowMs;
    this.#lastSentSpent = this.#spent;
    this.#unmet = NOTHING;
    this.#taken = NOTHING;
    this.#largest = scaleSpend(this.#largest, { times: 7n, dividedBy: 8n });
    return update;
  }

  #isDue(nowMs: number): boolean {
    if (this.#closing) return this.#openCount === 0 && !this.#closed;
    const sinceMs = nowMs - this.#lastSentAtMs;
    if (this.#unmet.usd > 0n || this.#unmet.tokens > 0n || sinceMs >= RENEW_EVERY_MS) return true;
    const headroom = subtractSpend(this.#cap, this.#committed());
    // Before it runs dry, so that hardly any request meets the ledger.
    if (!this.#scarce && this.#answered && !fitsWithin(scaleSpend(this.#largest, { times: 2n }), headroom)) return true;
    const moved = this.#spent.usd !== this.#lastSentSpent.usd || this.#spent.tokens !== this.#lastSentSpent.tokens;
    return sinceMs >= REPORT_EVERY_MS && (moved || this.#scarce);
  }

  /** How much should lie ready: two seconds of what was taken lately, at least four of the largest calls, at most a two-hundredth of the month. */
  #targetHeadroom(nowMs: number): Spend {
    if (this.#scarce) return this.#unmet;
    const sinceMs = BigInt(Math.max(1, Math.min(RENEW_EVERY_MS, Math.round(nowMs - this.#lastSentAtMs))));
    const ahead = scaleSpend(this.#taken, { times: BigInt(AHEAD_MS), dividedBy: sinceMs });
    const ready = maximumSpend(ahead, scaleSpend(maximumSpend(this.#largest, this.#unmet), { times: 4n }));
    const largest = scaleSpend(roomWithin(this.#options.limits, NOTHING), { dividedBy: LARGEST_PART });
    return maximumSpend(this.#unmet, minimumSpend(ready, largest));
  }

  /** Headroom above twice its target goes back; around the target nothing moves, or every lull would. */
  #kept(target: Spend): Spend {
    return this.#scarce ? target : scaleSpend(target, { times: 2n });
  }

  /** The ledger's answer to the update under way; answers to others are ignored. */
  accept(reply: LeaseReply): void {
    const pending = this.#pending;
    if (pending === undefined || reply.holder !== this.#options.holder || reply.sequence !== pending.update.sequence) return;
    this.#pending = undefined;
    this.#closed = pending.update.closing;
    this.#cap = reply.granted;
    this.#leasedUntilMs = pending.sentAtMs + reply.ttlMs;
    this.#spentByOthers = reply.spentByOthers;
    this.#scarce = reply.scarce;
    this.#answered = true;
  }

  /** The update with this number may or may not have arrived: the next one says all of it again. */
  lost(sequence: number): void {
    if (this.#pending?.update.sequence === sequence) this.#pending = undefined;
  }

  /** Takes no more reservations. Once nothing is open, the next update is the last one; `charge` gives up what is open still. */
  close({ charge }: { charge: boolean }): void {
    this.#closing = true;
    if (!charge) return;
    for (const [id, entry] of this.#entries) if (entry.state === "open") this.#charge(id, entry);
  }

  /** What is known here of the month: `spent` is everyone's, `reserved` this replica's. */
  figures(): { spent: Spend; own: Spend; reserved: Spend; open: number; overruns: number } {
    return {
      spent: addSpend(this.#spentByOthers, this.#spent),
      own: this.#spent,
      reserved: this.#reserved,
      open: this.#openCount,
      overruns: this.#overruns,
    };
  }
}
