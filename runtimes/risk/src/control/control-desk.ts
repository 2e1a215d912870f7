import { createHash } from "node:crypto";
import type { JournalDatabase, Transaction } from "@bellwether/postgres";
import { type Clock, CodedError, type Logger } from "@bellwether/service-kit";
import { type BreakerType, type BreakerView, type ControlEvent, type ControlReply, breakerType } from "@bellwether/trading";
import type { BreakerReset } from "../breakers/policy-watch.ts";
import type { RiskErrorCode } from "../errors.ts";
import { clearHalt, readControlEvents, readHalt, storeControlEvent, storeHalt } from "../journal/control-records.ts";
import type { JournalHalt } from "../policy/trading-state.ts";

/** Who wants it and why, as recorded. */
export interface Author {
  readonly who: string;
  readonly reason: string;
}

export interface Scope {
  readonly account?: string | undefined;
  readonly strategy?: string | undefined;
}

export interface ControlDeskOptions {
  readonly policyUid: string;
  readonly database: JournalDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly write: <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;
  /** Undefined when no breaker of the type is tripped. */
  readonly resetOf: (type: BreakerType) => BreakerReset | undefined;
  readonly breakers: () => readonly BreakerView[];
  readonly standing: () => Pick<ControlReply, "state" | "holds" | "workingOrders">;
  readonly onChange: () => void;
  /** The journal has been read since the start: before, nobody knows what stands. */
  readonly isOpen: () => boolean;
}

const maxEvents = 50;

/** What people do to a running policy: each recorded with who and why, in the journal, in the transaction that does it. */
export class ControlDesk {
  readonly #options: ControlDeskOptions;
  #halt: JournalHalt | undefined;
  /** Rises with everything that is said of the halt here. */
  #haltVersion = 0;
  #unsaved: { readonly event: ControlEvent; readonly halt: JournalHalt } | undefined;
  #saving: Promise<void> | undefined;
  #events: readonly ControlEvent[] = [];
  /** Annotations that were obeyed by this process. */
  #obeyed = "";

  constructor(options: ControlDeskOptions) {
    this.#options = options;
  }

  /** The stop in the journal. */
  get journalHalt(): JournalHalt | undefined {
    return this.#halt;
  }

  /** The newest 50, oldest first. */
  get events(): readonly ControlEvent[] {
    return this.#events;
  }

  async restore(): Promise<void> {
    const { database, policyUid } = this.#options;
    const halt = await readHalt(database, policyUid);
    // What somebody has said while this was read is newer.
    if (!this.#unsaved) this.#halt = halt;
    this.#events = await readControlEvents(database, policyUid);
  }

  /** A person may set the stop in the journal by hand, too. */
  async readHalt(): Promise<void> {
    const { database, policyUid, log, onChange } = this.#options;
    await this.#saveHalt();
    const version = this.#haltVersion;
    const halt = await readHalt(database, policyUid);
    // What was read may be older than what somebody has said meanwhile.
    if (version !== this.#haltVersion) return;
    if (halt?.state === this.#halt?.state && halt?.reason === this.#halt?.reason) return;
    this.#halt = halt;
    log.info({ halt }, "the journal's halt has changed");
    onChange();
  }

  /** Stops at once, and in the journal; orders are stopped even when the journal does not answer. A stop that stands is made stricter, never milder. */
  async halt({ who, reason }: Author, state: "Halted" | "Reducing"): Promise<ControlReply> {
    const before = this.#halt;
    const halt: JournalHalt = { reason, setBy: who, state };
    if (before?.state === "Halted" || before?.state === state) {
      // Whoever hears that it stands relies on it: also one that the journal has not taken yet, and that a restart would forget.
      await this.#saveHalt();
      return this.#unchanged();
    }
    this.#halt = halt;
    this.#haltVersion += 1;
    this.#options.onChange();
    const detail =
      state === "Halted" ? "nothing new is ordered, working entries are cancelled" : "only orders that shrink a position pass";
    const event = this.#eventOf({ what: state === "Halted" ? "Halt" : "Reduce", who, reason, detail });
    this.#unsaved = { event, halt };
    await this.#saveHalt();
    return { changed: true, event, ...this.#options.standing() };
  }

  /**
   * A halt that the journal has not taken yet stands all the same, and is written as soon as it answers. By one write at a time: a second one that came late
   * would bring the halt back after it was cleared.
   */
  #saveHalt(): Promise<void> {
    this.#saving ??= this.#writeHalt().finally(() => (this.#saving = undefined));
    return this.#saving;
  }

  async #writeHalt(): Promise<void> {
    // One that was made stricter meanwhile is written, too, before anybody is answered.
    for (let unsaved = this.#unsaved; unsaved; unsaved = this.#unsaved) {
      const { event, halt } = unsaved;
      await this.#record(event, (transaction) => storeHalt(transaction, this.#options.policyUid, halt));
      this.#haltVersion += 1;
      if (this.#unsaved === unsaved) this.#unsaved = undefined;
    }
  }

  /** Clears the journal's stop, and no other. @throws CodedError JOURNAL_UNAVAILABLE */
  async resume({ who, reason }: Author): Promise<ControlReply> {
    this.#requireOpen();
    const before = this.#halt;
    if (!before) return this.#unchanged();
    const detail = `the stop of ${before.setBy} is cleared: ${before.reason}`;
    const event = this.#eventOf({ what: "Resume", who, reason, detail });
    await this.#saveHalt();
    await this.#record(event, (transaction) => clearHalt(transaction, this.#options.policyUid, who));
    this.#halt = undefined;
    this.#haltVersion += 1;
    this.#options.onChange();
    return { changed: true, event, ...this.#options.standing() };
  }

  /** That nothing stands is an answer only for who has looked. */
  #requireOpen(): void {
    if (this.#options.isOpen()) return;
    throw new CodedError<RiskErrorCode>(
      "JOURNAL_UNAVAILABLE",
      "risk has just started and has not read its journal yet: try again",
    );
  }

  /** @throws CodedError BREAKER_UNKNOWN, JOURNAL_UNAVAILABLE */
  async resetBreaker({ who, reason }: Author, type: BreakerType, scope: Scope = {}): Promise<ControlReply> {
    this.#requireOpen();
    const breaker = this.#breaker(type);
    // One breaker of a type measures the worst of its scopes and stops the policy: there is none of an account or a strategy.
    const scoped = scope.account !== undefined || scope.strategy !== undefined;
    if (!breaker || scoped)
      throw new CodedError<RiskErrorCode>(
        "BREAKER_UNKNOWN",
        `the policy has no circuit breaker ${type}${scoped ? " of its own for an account or a strategy" : ""}`,
      );
    const reset = this.#options.resetOf(type);
    if (!reset) return this.#unchanged();
    const event = this.#eventOf({ what: "ResetBreaker", who, reason, detail: resetDetail(breaker) });
    await this.#record(event, reset.write);
    reset.apply();
    return { changed: true, event, ...this.#options.standing() };
  }

  /** What `adopt` has done; `work` writes it in the event's transaction. */
  async adopted(
    { who, reason }: Author,
    detail: string,
    work: (transaction: Transaction, eventId: string) => Promise<void>,
  ): Promise<ControlReply> {
    const event = this.#eventOf({ what: "Adopt", who, reason, detail });
    await this.#record(event, (transaction) => work(transaction, event.id));
    this.#options.onChange();
    return { changed: true, event, ...this.#options.standing() };
  }

  /**
   * `bellwether.dev/reset-breaker: "<type> <anything>"`: obeyed once for each value, also over restarts. One that finds nothing to arm is used up as well: it must not
   * arm a breaker that trips tomorrow. Who wrote it the API server's audit log knows.
   */
  async obeyAnnotation(value: string | undefined): Promise<void> {
    if (value === undefined || value === this.#obeyed) return;
    const { policyUid, log } = this.#options;
    const [name = "", ...words] = value.trim().split(/\s+/);
    const type = breakerType.safeParse(name);
    if (!type.success) {
      log.warn({ value }, "the annotation bellwether.dev/reset-breaker names no circuit breaker");
      this.#obeyed = value;
      return;
    }
    const breaker = this.#breaker(type.data);
    const reset = breaker && this.#options.resetOf(type.data);
    const detail =
      breaker && reset
        ? resetDetail(breaker)
        : `circuit breaker ${type.data} ${breaker ? "was armed already" : "is none of this policy's"}`;
    const id = createHash("sha256").update(`${policyUid}\nreset-breaker\n${value}`).digest("hex").slice(0, 32);
    const reason = words.join(" ").slice(0, 300) || "no reason given";
    const event = { ...this.#eventOf({ what: "ResetBreaker", who: "annotation", reason, detail }), id };
    const isNew = await this.#record(event, reset?.write);
    this.#obeyed = value;
    if (isNew) reset?.apply();
  }

  #breaker(type: BreakerType): BreakerView | undefined {
    return this.#options.breakers().find((view) => view.type === type);
  }

  #unchanged(): ControlReply {
    return { changed: false, ...this.#options.standing() };
  }

  #eventOf({ what, who, reason, detail }: Author & Pick<ControlEvent, "what" | "detail">): ControlEvent {
    const { newId, clock } = this.#options;
    return { id: newId(), time: clock.nowMs(), what, who, why: reason, detail: detail.slice(0, 500) };
  }

  /** False when the event was recorded before. */
  async #record(event: ControlEvent, work?: (transaction: Transaction) => Promise<void>): Promise<boolean> {
    const { write, policyUid, log } = this.#options;
    const isNew = await write(async (transaction) => {
      const stored = await storeControlEvent(transaction, policyUid, event);
      if (stored) await work?.(transaction);
      return stored;
    });
    if (!isNew) return false;
    log.warn({ event }, "a person has acted on the policy");
    this.#events = [...this.#events, event].slice(-maxEvents);
    return true;
  }
}

function resetDetail({ type, value, threshold }: BreakerView): string {
  return `circuit breaker ${type} is armed again, from the present; it had measured ${value ?? "nothing"} at a threshold of ${threshold ?? "none"}`;
}
