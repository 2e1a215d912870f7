import { hasCode } from "@bellwether/service-kit";
import type { Random } from "@bellwether/service-kit/random";
import type { Decimal } from "@bellwether/trading/decimal";
import {
  DEAD_AFTER_MS,
  EMPTY_LEDGER,
  type Ledger,
  type LeaseReply,
  type LeaseUpdate,
  applyLeaseUpdate,
  ledgerFigures,
} from "../budget/ledger.ts";
import { BudgetPurse } from "../budget/purse.ts";
import { NOTHING, type Spend, type SpendLimits, addSpend, fitsWithin, scaleSpend } from "../budget/spend.ts";

/** The ledger as replicas reach it: in memory, or a real database. */
export interface LedgerDesk {
  apply(update: LeaseUpdate, options: { limits: SpendLimits; nowMs: number }): LeaseReply | Promise<LeaseReply>;
  figures(nowMs: number): LedgerSums | Promise<LedgerSums>;
}

/** Questions whose answers are kept: a call that finds one costs nothing. In memory, or a real Redis. */
export interface AnswerShelf {
  has(question: number): boolean | Promise<boolean>;
  add(question: number): void | Promise<void>;
  /** All of it is gone. */
  lose(): void;
}

interface LedgerSums {
  readonly spent: Spend;
  readonly held: Spend;
  readonly liveLeases: number;
}

/** Which misfortunes a history has. */
export interface Misfortunes {
  readonly crashes: boolean;
  readonly disconnects: boolean;
  readonly outages: boolean;
}

export interface HistoryResult {
  readonly limits: SpendLimits;
  /** What the providers put on the bill, all of it. */
  readonly billed: Spend;
  /** The most that was ever on the bill beyond the limits; nothing when they held. */
  readonly overspent: boolean;
  /** Used parts when the first request was refused for good: as the ledger and the purses count, and as billed. */
  readonly firstRefusal: { readonly countedRatio: number; readonly billedRatio: number; readonly reason: string } | undefined;
  readonly leakedLeases: number;
  readonly leakedReservations: number;
  /** Held by nobody and spent by nobody at the end. */
  readonly heldAtEnd: Spend;
  readonly spentAtEnd: Spend;
  readonly calls: number;
  readonly crashes: number;
  readonly cacheLosses: number;
}

/** Every mixture of misfortunes comes up, and none of them in a few, where every cent must be found again. */
export function misfortunesOf(seed: number): Misfortunes {
  return { crashes: seed % 2 === 0, disconnects: seed % 3 !== 0, outages: seed % 5 < 3 };
}

export function deskInMemory(): LedgerDesk {
  let ledger: Ledger = EMPTY_LEDGER;
  return {
    apply(update, options) {
      const { ledger: after, reply } = applyLeaseUpdate(ledger, update, options);
      ledger = after;
      return reply;
    },
    figures: (nowMs) => ledgerFigures(ledger, nowMs),
  };
}

export function shelfInMemory(): AnswerShelf {
  const questions = new Set<number>();
  return {
    has: (question) => questions.has(question),
    add: (question) => void questions.add(question),
    lose: () => questions.clear(),
  };
}

/** Which promises of the budget a history broke, with its figures. */
export function brokenPromises(result: HistoryResult, { crashes, disconnects }: Misfortunes): string[] {
  const { billed, spentAtEnd, heldAtEnd, firstRefusal } = result;
  const exact = !crashes && !disconnects;
  const checks: readonly [boolean, string][] = [
    [result.overspent, `${billed.usd} USD and ${billed.tokens} tokens were billed`],
    [result.leakedLeases > 0, `${result.leakedLeases} leases were left`],
    [result.leakedReservations > 0, `${result.leakedReservations} reservations were left`],
    [heldAtEnd.usd !== 0n || heldAtEnd.tokens !== 0n, `${heldAtEnd.usd} USD and ${heldAtEnd.tokens} tokens were held by nobody`],
    [!fitsWithin(billed, spentAtEnd), "more was billed than counted"],
    [exact && !fitsWithin(spentAtEnd, billed), "more was counted than billed, although nothing got lost"],
    [firstRefusal === undefined, "nobody was ever refused"],
    [(firstRefusal?.countedRatio ?? 1) < 0.98, `refused at ${firstRefusal?.countedRatio} for ${firstRefusal?.reason}`],
    [
      exact && (firstRefusal?.billedRatio ?? 1) < 0.98,
      `refused with ${firstRefusal?.billedRatio} billed for ${firstRefusal?.reason}`,
    ],
  ];
  return checks.flatMap(([broken, message]) => (broken ? [message] : []));
}

interface Replica {
  purse: BudgetPurse | undefined;
  lives: number;
}

interface Happening {
  readonly atMs: number;
  readonly act: () => void | Promise<void>;
}

interface Call {
  readonly id: string;
  readonly question: number;
  readonly worst: Spend;
  readonly actual: Spend;
  readonly lastsMs: number;
  readonly giveUpAtMs: number;
}

const REPLICAS = 3;
const QUESTIONS = 40;
/** Far beyond any call's end. */
const CALL_DEADLINE_MS = 20_000;
const PATIENCE_MS = 120_000;

/**
 * One month's end in fast motion: three replicas spend a budget to its last cent while they crash, lose their callers, their cache and the way
 * to the ledger, whose messages come late, twice or not at all. Everything is drawn from `random`: the same seed is the same history.
 */
export class BudgetWorld {
  readonly #random: Random;
  readonly #desk: LedgerDesk;
  readonly #misfortunes: Misfortunes;
  readonly #limits: SpendLimits;
  readonly #unit: Spend;
  #nowMs = 1_000_000;
  /** The latest first. */
  readonly #agenda: Happening[] = [];
  readonly #replicas: Replica[] = Array.from({ length: REPLICAS }, () => ({ purse: undefined, lives: 0 }));
  readonly #shelf: AnswerShelf;
  #downUntilMs = 0;
  #billed = NOTHING;
  #overspent = false;
  #firstRefusal: HistoryResult["firstRefusal"];
  #calls = 0;
  #crashes = 0;
  #cacheLosses = 0;
  #stopped = false;

  constructor(options: { random: Random; desk: LedgerDesk; shelf?: AnswerShelf; misfortunes: Misfortunes }) {
    this.#random = options.random;
    this.#desk = options.desk;
    this.#shelf = options.shelf ?? shelfInMemory();
    this.#misfortunes = options.misfortunes;
    // A call's worst case is at most a sixtieth of the month, mostly less: what is refused at the end is below one call.
    this.#unit = { usd: BigInt(1 + this.#below(1_000_000)) as Decimal, tokens: BigInt(1 + this.#below(5_000)) };
    const only = this.#below(4);
    this.#limits = {
      usd: only === 1 ? undefined : scaleSpend(this.#unit, { times: 6_000n }).usd,
      tokens: only === 2 ? undefined : scaleSpend(this.#unit, { times: BigInt(6_000 + this.#below(2_000)) }).tokens,
    };
  }

  #below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  #later(delayMs: number, act: () => void | Promise<void>): void {
    const atMs = this.#nowMs + delayMs;
    // What was put down first comes first at the same time.
    let [low, high] = [0, this.#agenda.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#agenda[middle]!.atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#agenda.splice(low, 0, { atMs, act });
  }

  async run(): Promise<HistoryResult> {
    for (const replica of this.#replicas) this.#open(replica);
    this.#later(0, () => this.#arrive());
    this.#later(0, () => this.#tick());
    await this.#runAgenda();
    const leakedReservations = this.#closeAll();
    await this.#runAgenda();
    this.#nowMs += 2 * DEAD_AFTER_MS;
    const { spent, held, liveLeases } = await this.#desk.figures(this.#nowMs);
    return {
      limits: this.#limits,
      billed: this.#billed,
      overspent: this.#overspent,
      firstRefusal: this.#firstRefusal,
      leakedLeases: liveLeases,
      leakedReservations,
      heldAtEnd: held,
      spentAtEnd: spent,
      calls: this.#calls,
      crashes: this.#crashes,
      cacheLosses: this.#cacheLosses,
    };
  }

  async #runAgenda(): Promise<void> {
    for (let next = this.#agenda.pop(); next !== undefined; next = this.#agenda.pop()) {
      this.#nowMs = next.atMs;
      const acting = next.act();
      if (acting !== undefined) await acting;
    }
  }

  #open(replica: Replica): void {
    replica.lives += 1;
    const holder = `replica-${this.#replicas.indexOf(replica)}-${replica.lives}`;
    replica.purse = new BudgetPurse({ holder, limits: this.#limits });
  }

  /** Callers keep coming until a while after the first one was refused. */
  #arrive(): void | Promise<void> {
    if (this.#stopped) return;
    this.#calls += 1;
    const share = BigInt(20 + this.#below(81));
    const worst = scaleSpend(this.#unit, { times: share });
    const usual = BigInt(30 + this.#below(71));
    const call: Call = {
      id: `call-${this.#calls}`,
      question: this.#below(QUESTIONS),
      worst,
      actual: this.#chance(0.05) ? NOTHING : scaleSpend(worst, { times: usual, dividedBy: 100n }),
      lastsMs: 50 + this.#below(5_000),
      giveUpAtMs: this.#nowMs + PATIENCE_MS,
    };
    const replica = this.#replicas[this.#below(REPLICAS)]!;
    // Calls of one second come close together, then it is quiet for a while.
    this.#later(this.#chance(0.95) ? this.#below(200) : this.#below(4_000), () => this.#arrive());
    return this.#ask(call, replica);
  }

  #ask(call: Call, replica: Replica): void | Promise<void> {
    const known = this.#shelf.has(call.question);
    if (typeof known === "boolean") this.#answer(call, { replica, known });
    else return known.then((found) => this.#answer(call, { replica, known: found }));
  }

  #answer(call: Call, { replica, known }: { replica: Replica; known: boolean }): void {
    const { purse } = replica;
    if (known && this.#chance(0.15)) return;
    if (this.#stopped) return;
    if (purse === undefined) {
      this.#retryElsewhere(call);
      return;
    }
    const reservation = purse.reserve(
      { id: call.id, worst: call.worst, deadlineMs: this.#nowMs + CALL_DEADLINE_MS },
      this.#nowMs,
    );
    if (reservation.granted) {
      if (!reservation.repeated) this.#send(call, replica, purse);
      return;
    }
    if (reservation.reason === "LEASE_NEEDED") {
      this.#update(replica, purse);
      if (this.#nowMs >= call.giveUpAtMs) this.#refused("LEASE_NEEDED");
      else this.#later(50 + this.#below(400), () => this.#ask(call, replica));
      return;
    }
    if (reservation.reason === "EXHAUSTED") this.#refused("EXHAUSTED");
  }

  #retryElsewhere(call: Call): void {
    this.#later(10 + this.#below(300), () => this.#ask(call, this.#replicas[this.#below(REPLICAS)]!));
  }

  #refused(reason: string): void {
    if (this.#firstRefusal !== undefined) return;
    const last = this.#replicas.flatMap(({ purse }) => (purse === undefined ? [] : [purse.figures()]));
    const counted = last.reduce((most, { spent }) => (fitsWithin(most, spent) ? spent : most), NOTHING);
    this.#firstRefusal = { countedRatio: this.#ratio(counted), billedRatio: this.#ratio(this.#billed), reason };
    this.#later(4_000, () => {
      this.#stopped = true;
    });
  }

  #ratio({ usd, tokens }: Spend): number {
    const part = (value: bigint, limit: bigint | undefined): number => (limit === undefined ? 0 : Number(value) / Number(limit));
    return Math.max(part(usd, this.#limits.usd), part(tokens, this.#limits.tokens));
  }

  /** The call is on its way: whatever happens from here on, the provider bills it. */
  #send(call: Call, replica: Replica, purse: BudgetPurse): void {
    const refusedByProvider = this.#chance(0.05);
    if (!refusedByProvider) {
      this.#billed = addSpend(this.#billed, call.actual);
      const { usd, tokens } = this.#limits;
      if ((usd !== undefined && this.#billed.usd > usd) || (tokens !== undefined && this.#billed.tokens > tokens)) {
        this.#overspent = true;
      }
    }
    // The caller's own client repeats its request: the same id at the same replica is the same call.
    if (this.#chance(0.05)) this.#later(this.#below(500), () => this.#ask(call, replica));
    const lost = this.#misfortunes.disconnects && this.#chance(0.04);
    this.#later(call.lastsMs, () => {
      // The replica that sent it is gone, and whatever it knew.
      if (replica.purse !== purse) return;
      if (refusedByProvider) purse.release(call.id);
      else if (lost) this.#loseUsage(call, purse);
      else purse.settle(call.id, call.actual);
      if (this.#chance(0.1)) purse.settle(call.id, call.actual);
      if (!lost && this.#chance(0.05)) purse.release(call.id);
      return refusedByProvider || lost ? undefined : this.#shelf.add(call.question);
    });
  }

  /** The caller hung up: said at once, or never; its usage comes late, or never. */
  #loseUsage(call: Call, purse: BudgetPurse): void {
    if (this.#chance(0.5)) purse.abandon(call.id);
    if (this.#chance(0.7)) this.#later(this.#below(2 * CALL_DEADLINE_MS), () => void purse.settle(call.id, call.actual));
  }

  #tick(): void {
    for (const replica of this.#replicas) if (replica.purse !== undefined) this.#update(replica, replica.purse);
    if (this.#chance(0.02)) {
      this.#shelf.lose();
      this.#cacheLosses += 1;
    }
    // Not one after the other for longer than callers are patient: who finds no ledger is refused for that, not for the budget.
    const rested = this.#nowMs > this.#downUntilMs + PATIENCE_MS;
    if (this.#misfortunes.outages && rested && this.#chance(0.01)) this.#downUntilMs = this.#nowMs + this.#below(40_000);
    if (this.#misfortunes.crashes && this.#chance(0.01)) this.#crash(this.#replicas[this.#below(REPLICAS)]!);
    if (!this.#stopped) this.#later(250, () => this.#tick());
  }

  #crash(replica: Replica): void {
    if (replica.purse === undefined || this.#crashes >= 3) return;
    this.#crashes += 1;
    replica.purse = undefined;
    this.#later(this.#below(20_000), () => this.#open(replica));
  }

  #update(replica: Replica, purse: BudgetPurse): void {
    const update = purse.nextUpdate(this.#nowMs);
    if (update === undefined) return;
    const lossy = this.#misfortunes.outages;
    const fate = this.#random.next();
    if (lossy && fate < 0.03) {
      this.#later(2_000, () => purse.lost(update.sequence));
      return;
    }
    this.#later(1 + this.#below(40), async () => {
      if (this.#nowMs < this.#downUntilMs) {
        purse.lost(update.sequence);
        return;
      }
      const reply = await this.#apply(update);
      if (reply === undefined) purse.lost(update.sequence);
      else if (lossy && fate < 0.06) this.#later(2_000, () => purse.lost(update.sequence));
      else this.#later(this.#below(40), () => purse.accept(reply));
      // A statement given up for lost may still run.
      if (lossy && fate > 0.95) this.#later(this.#below(10_000), async () => void (await this.#apply(update)));
    });
    if (replica.purse !== purse) throw new Error("only a live replica speaks");
  }

  /** Undefined when the desk does not answer: the update may or may not have been taken. */
  async #apply(update: LeaseUpdate): Promise<LeaseReply | undefined> {
    try {
      return await this.#desk.apply(update, { limits: this.#limits, nowMs: this.#nowMs });
    } catch (error) {
      if (hasCode(error, "JOURNAL_UNAVAILABLE")) return undefined;
      throw error;
    }
  }

  /** Every replica is shut down in order. What is open then had no end at all. */
  #closeAll(): number {
    let leaked = 0;
    this.#downUntilMs = 0;
    for (const replica of this.#replicas) {
      const { purse } = replica;
      if (purse === undefined) continue;
      this.#nowMs += CALL_DEADLINE_MS;
      const unsent = purse.nextUpdate(this.#nowMs);
      if (unsent !== undefined) purse.lost(unsent.sequence);
      leaked += purse.figures().open;
      purse.close({ charge: true });
      this.#lastWord(purse);
    }
    return leaked;
  }

  #lastWord(purse: BudgetPurse): void {
    const update = purse.nextUpdate(this.#nowMs);
    if (update === undefined) return;
    this.#later(1, async () => {
      const reply = await this.#apply(update);
      if (reply === undefined) purse.lost(update.sequence);
      else purse.accept(reply);
      this.#lastWord(purse);
    });
  }
}
