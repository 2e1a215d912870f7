import { formatDecimal, parseDecimal } from "@bellwether/trading/decimal";
import { z } from "zod";
import {
  NOTHING,
  type Spend,
  type SpendLimits,
  addSpend,
  fitsWithin,
  maximumSpend,
  minimumSpend,
  roomWithin,
  subtractSpend,
} from "./spend.ts";

/**
 *   update (first) ──► held ── closing update ──► closed (spent counts; kept a while so that a late repeat opens nothing)
 *                       │ ▲
 *               silence │ │the replica speaks again
 *                       ▼ │
 *                     expired: all it was granted counts as spent, because all of it may have been
 *
 * One ledger is one route's month. It is the only durable thing, changed in one transaction per update; replicas spend within what it
 * granted them and never ask it about a single request.
 */
export interface Lease {
  /** The most this replica may have committed since it opened, what is spent included. Cumulative: nothing to count twice. */
  readonly granted: Spend;
  /** What it said it had spent, cumulative. */
  readonly spent: Spend;
  /** Number of the last update taken: what comes late or twice changes nothing. */
  readonly sequence: number;
  /** When it counts as dead, or, once closed, when it is forgotten. */
  readonly expiresAtMs: number;
  readonly closed: boolean;
}

export interface Ledger {
  /** Spent under leases that are closed and forgotten. */
  readonly settled: Spend;
  readonly leases: ReadonlyMap<string, Lease>;
  /** Until then replicas hold no more than they need, because one of them got less than it needed. Epoch milliseconds. */
  readonly scarceUntilMs: number;
}

/** What a replica tells and asks. */
export interface LeaseUpdate {
  /** One life of one replica: a restarted one is another holder. At most 100 characters. */
  readonly holder: string;
  /** 1 for the first update, one more for each later one, a repeated one included. */
  readonly sequence: number;
  /** Spent since it opened. */
  readonly spent: Spend;
  /** What it keeps of its grant: it has stopped committing above this, so that the rest can go to another one. */
  readonly keep: Spend;
  /** What it would like on top. */
  readonly wants: Spend;
  /** What it cannot do without, at most `wants`: a request waits for it. */
  readonly needs: Spend;
  /** Nothing is in flight any more and nothing will be: `spent` is final. */
  readonly closing: boolean;
}

export interface LeaseReply {
  readonly holder: string;
  readonly sequence: number;
  readonly granted: Spend;
  /** How long the grant holds, from when the update was sent. */
  readonly ttlMs: number;
  readonly scarce: boolean;
  /** Spent by all other holders: what they reported, what is settled, what expired. */
  readonly spentByOthers: Spend;
}

/** How long a replica may commit under a grant without being heard. */
const LEASE_TTL_MS = 30_000;
/** After this long in silence it is dead for the ledger. Twice as long: after an outage of the ledger itself the first replica back must not take all others for dead. */
export const DEAD_AFTER_MS = 2 * LEASE_TTL_MS;
const SCARCE_FOR_MS = 5_000;
/** Far longer than any statement runs: whatever was sent before the close has arrived or died. */
const KEEP_CLOSED_MS = 3_600_000;
const MAX_LEASES = 500;

export const EMPTY_LEDGER: Ledger = { settled: NOTHING, leases: new Map(), scarceUntilMs: 0 };

/** What a lease takes from the budget at an instant. */
function chargeOf(lease: Lease): Spend {
  return lease.closed ? lease.spent : lease.granted;
}

const sum = (amounts: Iterable<Spend>): Spend => Iterator.from(amounts).reduce(addSpend, NOTHING);

function surelySpent(lease: Lease, nowMs: number): Spend {
  return lease.closed || nowMs < lease.expiresAtMs ? lease.spent : lease.granted;
}

/** Takes one replica's update. The caller keeps the ledger locked from reading it to having stored what comes back. */
export function applyLeaseUpdate(
  ledger: Ledger,
  update: LeaseUpdate,
  { limits, nowMs }: { limits: SpendLimits; nowMs: number },
): { ledger: Ledger; reply: LeaseReply } {
  const before = ledger.leases.get(update.holder);
  if (before !== undefined && (before.closed || update.sequence <= before.sequence)) {
    return { ledger, reply: replyTo(ledger, { holder: update.holder, lease: before, nowMs }) };
  }
  const others = [...ledger.leases].filter(([holder]) => holder !== update.holder).map(([, lease]) => lease);
  // A lease the ledger does not know, because the database was restored, is believed: the money is gone, whatever the ledger thinks.
  const keep = maximumSpend(update.keep, update.spent);
  const free = roomWithin(limits, addSpend(ledger.settled, addSpend(sum(others.map(chargeOf)), keep)));
  const extra = maximumSpend(NOTHING, minimumSpend(update.wants, free));
  const lease: Lease = {
    granted: update.closing ? update.spent : addSpend(keep, extra),
    spent: update.spent,
    sequence: update.sequence,
    expiresAtMs: nowMs + (update.closing ? KEEP_CLOSED_MS : DEAD_AFTER_MS),
    closed: update.closing,
  };
  const short = !fitsWithin(update.needs, extra);
  const after = tidy(
    {
      settled: ledger.settled,
      leases: new Map([...ledger.leases, [update.holder, lease]]),
      scarceUntilMs: short ? nowMs + SCARCE_FOR_MS : ledger.scarceUntilMs,
    },
    nowMs,
  );
  return { ledger: after, reply: replyTo(after, { holder: update.holder, lease, nowMs }) };
}

function replyTo(ledger: Ledger, { holder, lease, nowMs }: { holder: string; lease: Lease; nowMs: number }): LeaseReply {
  const others = Iterator.from(ledger.leases).filter(([name]) => name !== holder);
  return {
    holder,
    sequence: lease.sequence,
    granted: lease.granted,
    ttlMs: LEASE_TTL_MS,
    scarce: nowMs < ledger.scarceUntilMs,
    spentByOthers: addSpend(ledger.settled, sum(others.map(([, other]) => surelySpent(other, nowMs)))),
  };
}

/** Closed leases become part of the sum after an hour. Expired ones stay, so that a replica that was only cut off gets its rest back, up to a bound. */
function tidy(ledger: Ledger, nowMs: number): Ledger {
  const over = ledger.leases.size - MAX_LEASES;
  const oldest =
    over > 0
      ? new Set(
          [...ledger.leases]
            .filter(([, lease]) => lease.closed || lease.expiresAtMs <= nowMs)
            .toSorted(([, left], [, right]) => left.expiresAtMs - right.expiresAtMs)
            .slice(0, over)
            .map(([holder]) => holder),
        )
      : new Set<string>();
  const done = [...ledger.leases].filter(([holder, lease]) => (lease.closed && lease.expiresAtMs <= nowMs) || oldest.has(holder));
  if (done.length === 0) return ledger;
  const forgotten = new Set(done.map(([holder]) => holder));
  return {
    ...ledger,
    settled: addSpend(ledger.settled, sum(done.map(([, lease]) => chargeOf(lease)))),
    leases: new Map([...ledger.leases].filter(([holder]) => !forgotten.has(holder))),
  };
}

/** The month as it stands: spent for certain, and held by replicas that are alive. */
export function ledgerFigures(ledger: Ledger, nowMs: number): { spent: Spend; held: Spend; liveLeases: number } {
  const leases = [...ledger.leases.values()];
  const spent = addSpend(ledger.settled, sum(leases.map((lease) => surelySpent(lease, nowMs))));
  const charged = addSpend(ledger.settled, sum(leases.map(chargeOf)));
  const liveLeases = leases.filter((lease) => !lease.closed && nowMs < lease.expiresAtMs).length;
  return { spent, held: subtractSpend(charged, spent), liveLeases };
}

const spendText = z.strictObject({ usd: z.string().max(50), tokens: z.string().regex(/^-?\d{1,30}$/) });
const ledgerText = z.strictObject({
  settled: spendText,
  scarceUntilMs: z.number(),
  leases: z.record(
    z.string().max(100),
    z.strictObject({ granted: spendText, spent: spendText, sequence: z.int(), expiresAtMs: z.number(), closed: z.boolean() }),
  ),
});
/** A ledger as JSON: decimals and bigints as text. */
export type StoredLedger = z.infer<typeof ledgerText>;

const storeSpend = ({ usd, tokens }: Spend): z.infer<typeof spendText> => ({ usd: formatDecimal(usd), tokens: String(tokens) });
const readSpend = ({ usd, tokens }: z.infer<typeof spendText>): Spend => ({ usd: parseDecimal(usd), tokens: BigInt(tokens) });

/** The ledger as it is stored. */
export function storeLedger(ledger: Ledger): StoredLedger {
  const leases = [...ledger.leases].map(([holder, lease]) => {
    return [holder, { ...lease, granted: storeSpend(lease.granted), spent: storeSpend(lease.spent) }] as const;
  });
  return { settled: storeSpend(ledger.settled), scarceUntilMs: ledger.scarceUntilMs, leases: Object.fromEntries(leases) };
}

/** The ledger from its stored form. Throws a ZodError for anything else: a ledger nobody can read must not be spent from. */
export function readLedger(stored: unknown): Ledger {
  const { settled, scarceUntilMs, leases } = ledgerText.parse(stored);
  return {
    settled: readSpend(settled),
    scarceUntilMs,
    leases: new Map(
      Object.entries(leases).map(([holder, lease]) => {
        return [holder, { ...lease, granted: readSpend(lease.granted), spent: readSpend(lease.spent) }];
      }),
    ),
  };
}
