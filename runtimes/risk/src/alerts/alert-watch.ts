import type { Clock, Logger, WebhookMessage } from "@bellwether/service-kit";
import {
  type Alert,
  type AlertBook,
  type AlertRule,
  type BreakerView,
  type ControlEvent,
  type Decimal,
  type PolicyName,
  type StrategyFigures,
  breakerConditions,
  controlAlert,
  emptyAlertBook,
  markPeaks,
  markPosted,
  parseDecimal,
  passOver,
  rememberRules,
  slackMessage,
  stepAlerts,
  strategyConditions,
  tellOnce,
} from "@bellwether/trading";

/** Where the book lies; the journal. */
export interface AlertStore {
  load(): Promise<AlertBook | undefined>;
  save(book: AlertBook): Promise<void>;
}

export interface AlertMetrics {
  told(alert: Pick<Alert, "severity" | "state">): void;
  firing(count: number): void;
}

export interface AlertWatchOptions {
  readonly policy: PolicyName;
  readonly store: AlertStore;
  /** Takes a message and returns at once; absent: nobody is to be told by webhook. */
  readonly post?: (message: WebhookMessage) => void;
  readonly metrics: AlertMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One strategy as the alerts see it. */
export interface StrategySight {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Undefined: not registered since this process began; those of the registration before count. */
  readonly alerts: readonly AlertRule[] | undefined;
  readonly startingCapital: Decimal;
  /** Undefined before the strategy has its capital. */
  readonly equity: Decimal | undefined;
  readonly decisionLatencyMs: number | undefined;
  readonly barAgeMs: number | undefined;
}

export interface Sight {
  readonly strategies: readonly StrategySight[];
  readonly breakers: readonly BreakerView[];
  readonly controlEvents: readonly ControlEvent[];
}

/** A peak that moves with every bar is worth no write of its own. */
const savePeaksEveryMs = 10_000;

/** Watches figures, breakers and what people do, and tells of each change once: to the list of the portfolio, the metrics and the webhook. */
export class AlertWatch {
  readonly #options: AlertWatchOptions;
  #book: AlertBook = emptyAlertBook;
  #saved: AlertBook = emptyAlertBook;
  #savedMs = 0;
  #opened = false;
  readonly #postedIds = new Set<string>();

  constructor(options: AlertWatchOptions) {
    this.#options = options;
  }

  /** Newest 50, oldest first: for GET /v1/portfolio. */
  get recent(): readonly Alert[] {
    return this.#book.recent;
  }

  /**
   * Takes one look: tells what has changed and stores it. Called after every mark of the portfolio; what it throws when the journal cannot be written is
   * made up for by the next call, and nothing is posted before it is stored.
   */
  async look(sight: Sight): Promise<void> {
    const { clock, store, policy } = this.#options;
    const nowMs = clock.nowMs();
    const events = sight.controlEvents.map((event) => controlAlert(event, policy));
    if (!this.#opened) await this.#open(events);
    const before = this.#book;
    let book = rememberRules(before, new Map(sight.strategies.map(({ uid, alerts }) => [uid, alerts])));
    book = markPeaks(book, equitiesOf(sight));
    book = stepAlerts(book, conditionsOf(sight, { book, policy }), nowMs);
    book = tellOnce(book, events);
    book = this.#takePosted(book);
    const told = book.recent.filter((alert) => !before.recent.includes(alert));
    this.#book = book;
    for (const alert of told) this.#tell(alert);
    this.#options.metrics.firing(Object.keys(book.open).length);
    const onlyPeaks = { ...book, peaks: this.#saved.peaks };
    const due =
      !sameAlerts(onlyPeaks, this.#saved) || (book.peaks !== this.#saved.peaks && nowMs - this.#savedMs >= savePeaksEveryMs);
    if (due) {
      await store.save(book);
      this.#saved = book;
      this.#savedMs = nowMs;
    }
    this.#post();
  }

  /** The webhook has taken a message, or never will: it leaves the list of what is still to be posted. */
  posted(id: string): void {
    this.#postedIds.add(id);
  }

  async #open(events: readonly Alert[]): Promise<void> {
    const stored = await this.#options.store.load();
    // Without a book nobody has watched before: what people did then is history.
    this.#book = stored ?? passOver(emptyAlertBook, events);
    this.#saved = stored ?? emptyAlertBook;
    this.#opened = true;
  }

  #takePosted(book: AlertBook): AlertBook {
    if (!this.#options.post) return markPosted(book, new Set(book.unposted.map(({ id }) => id)));
    const next = markPosted(book, this.#postedIds);
    this.#postedIds.clear();
    return next;
  }

  #tell(alert: Alert): void {
    const { log, metrics } = this.#options;
    metrics.told(alert);
    const { id, state, severity, summary } = alert;
    if (severity === "info") log.info({ alert: id, state }, summary);
    else log.warn({ alert: id, state, severity }, summary);
  }

  /** Those it has been given already the sender knows by their ids. */
  #post(): void {
    const { post } = this.#options;
    if (post) for (const alert of this.#book.unposted) post({ id: alert.id, body: slackMessage(alert) });
  }
}

function equitiesOf({ strategies }: Sight): Map<string, Decimal> {
  return new Map(strategies.flatMap(({ uid, equity }) => (equity === undefined ? [] : [[uid, equity] as const])));
}

function conditionsOf({ strategies, breakers }: Sight, { book, policy }: { book: AlertBook; policy: PolicyName }) {
  const figuresOf = ({
    uid,
    startingCapital,
    equity,
    decisionLatencyMs,
    barAgeMs,
  }: StrategySight): StrategyFigures | undefined => {
    const peak = book.peaks[uid];
    if (equity === undefined || peak === undefined) return undefined;
    return { startingCapital, equity, peakEquity: parseDecimal(peak), decisionLatencyMs, barAgeMs };
  };
  return [
    ...strategies.flatMap((strategy) =>
      strategyConditions({ ...strategy, alerts: book.rules[strategy.uid] ?? [], figures: figuresOf(strategy) }),
    ),
    ...breakerConditions(breakers, policy),
  ];
}

/** Whether nothing but peaks differs: books are immutable, their parts are compared by identity. */
function sameAlerts(left: AlertBook, right: AlertBook): boolean {
  const parts = ["open", "recent", "unposted", "toldOnce", "rules"] as const;
  return parts.every((part) => left[part] === right[part]);
}
