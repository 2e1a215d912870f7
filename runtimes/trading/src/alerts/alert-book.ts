import { z } from "zod";
import { type Decimal, formatDecimal, parseDecimal } from "../decimal.ts";
import { decimalString, instantMs } from "../wire/decimal-string.ts";
import { type Alert, type AlertRule, alert, alertRule } from "../wire/alerts.ts";

const maxRecent = 50;
const maxUnposted = 100;
/** Twice as many as a portfolio has control events, so that none of those it still shows is forgotten. */
const maxRemembered = 100;
const maxPeaks = 1_000;
/** Conditions that may be firing at once; what comes after them is not told until one of them ends. */
const maxOpen = 1_000;
/** A condition must have been gone for this long to be over: a figure that swings around its threshold is told once. */
export const clearForMs = 60_000;

const openAlert = z.strictObject({
  alert,
  /** Since when the condition has been gone, still unconfirmed. */
  clearSinceMs: instantMs.optional(),
});

/** What has been told and what not: plain JSON, kept in the journal, so that a restart tells nothing twice and forgets nothing. */
export const alertBook = z.strictObject({
  open: z.record(z.string().max(160), openAlert),
  /** Newest last. */
  recent: z.array(alert).max(maxRecent),
  /** Not posted to the webhook yet, oldest first. */
  unposted: z.array(alert).max(maxUnposted),
  /** Alerts that left `unposted` for want of room. */
  dropped: z.int().nonnegative(),
  /** Ids of what was told once and has no end, newest last. */
  toldOnce: z.array(z.string().max(200)).max(maxRemembered),
  /** Highest equity of each strategy since it was first seen, by uid: what its drawdown is counted from. */
  peaks: z.record(z.string().max(64), decimalString),
  /** Alerts of each strategy as they were registered last, by uid: the operator tells a change, not every start of risk. */
  rules: z.record(z.string().max(64), z.array(alertRule).max(16)),
});
export type AlertBook = z.infer<typeof alertBook>;

export const emptyAlertBook: AlertBook = Object.freeze({
  open: {},
  recent: [],
  unposted: [],
  dropped: 0,
  toldOnce: [],
  peaks: {},
  rules: {},
});

/** One thing that is watched, as it stands now. */
export interface AlertCondition extends Pick<Alert, "severity" | "source" | "name" | "value" | "threshold"> {
  /** Names the condition for its whole life: `<kind>/<namespace>/<name>/<what>`. */
  readonly key: string;
  /** Undefined: not known now; nothing changes. */
  readonly firing: boolean | undefined;
  /** One sentence with its numbers, as it stands. */
  readonly summary: string;
}

/**
 *            firing                        gone for `clearForMs`, or no longer watched
 *   quiet ───────────► firing (told once) ─────────────────────────────────────────────► quiet (told once)
 *
 * @param conditions all that are watched: a condition that is missing is over
 * @returns the same book when nothing changed
 */
export function stepAlerts(book: AlertBook, conditions: readonly AlertCondition[], nowMs: number): AlertBook {
  const open = { ...book.open };
  const told: Alert[] = [];
  let changed = false;
  const watched = new Set<string>();
  for (const condition of conditions) {
    watched.add(condition.key);
    const known = open[condition.key];
    if (condition.firing === undefined) continue;
    if (!known) {
      if (!condition.firing || Object.keys(open).length >= maxOpen) continue;
      const raised = alertOf(condition, "firing", { sinceMs: nowMs, nowMs });
      open[condition.key] = { alert: raised };
      told.push(raised);
    } else if (condition.firing) {
      if (known.clearSinceMs === undefined) continue;
      open[condition.key] = { alert: known.alert };
    } else if (known.clearSinceMs === undefined) {
      open[condition.key] = { ...known, clearSinceMs: nowMs };
    } else if (nowMs - known.clearSinceMs >= clearForMs) {
      delete open[condition.key];
      told.push(alertOf(condition, "resolved", { sinceMs: known.alert.time, nowMs }));
    } else continue;
    changed = true;
  }
  for (const [key, { alert: raised }] of Object.entries(open)) {
    if (watched.has(key)) continue;
    delete open[key];
    const { value: _value, threshold: _threshold, ...rest } = raised;
    const summary = `no longer watched: ${raised.summary}`.slice(0, 500);
    told.push({ ...rest, id: idOf(key, raised.time, "resolved"), state: "resolved", summary, time: nowMs });
    changed = true;
  }
  return changed ? { ...tell(book, told), open } : book;
}

/** Tells something that has no end, once: what a person did. */
export function tellOnce(book: AlertBook, alerts: readonly Alert[]): AlertBook {
  const known = new Set(book.toldOnce);
  const news = alerts.filter(({ id }) => !known.has(id));
  return news.length === 0 ? book : { ...tell(book, news), toldOnce: remembered(book, news) };
}

/** Takes it for told without telling it: what happened before anybody watched. */
export function passOver(book: AlertBook, alerts: readonly Alert[]): AlertBook {
  return { ...book, toldOnce: remembered(book, alerts) };
}

function remembered({ toldOnce }: AlertBook, alerts: readonly Alert[]): string[] {
  return [...toldOnce, ...alerts.map(({ id }) => id)].slice(-maxRemembered);
}

/** Raises the peaks that are exceeded and forgets strategies that are gone; the same book when no peak moved. */
export function markPeaks(book: AlertBook, equities: ReadonlyMap<string, Decimal>): AlertBook {
  const peaks: Record<string, string> = {};
  let changed = Object.keys(book.peaks).some((uid) => !equities.has(uid));
  for (const [uid, equity] of [...equities].slice(0, maxPeaks)) {
    const before = book.peaks[uid];
    const higher = before === undefined || equity > parseDecimal(before);
    peaks[uid] = higher ? formatDecimal(equity) : before;
    changed ||= higher;
  }
  return changed ? { ...book, peaks } : book;
}

/**
 * Keeps the alerts of the strategies there are: those told now, for the others (undefined) those told before.
 * @returns the same book when nothing changed
 */
export function rememberRules(book: AlertBook, told: ReadonlyMap<string, readonly AlertRule[] | undefined>): AlertBook {
  const rules: Record<string, AlertRule[]> = {};
  for (const [uid, now] of told) {
    const kept = now ?? book.rules[uid] ?? [];
    if (kept.length > 0) rules[uid] = [...kept];
  }
  return JSON.stringify(rules) === JSON.stringify(book.rules) ? book : { ...book, rules };
}

/** The webhook has taken these, or never will. */
export function markPosted(book: AlertBook, ids: ReadonlySet<string>): AlertBook {
  const unposted = book.unposted.filter(({ id }) => !ids.has(id));
  return unposted.length === book.unposted.length ? book : { ...book, unposted };
}

function tell(book: AlertBook, told: readonly Alert[]): AlertBook {
  const unposted = [...book.unposted, ...told];
  const over = Math.max(0, unposted.length - maxUnposted);
  return {
    ...book,
    recent: [...book.recent, ...told].slice(-maxRecent),
    unposted: unposted.slice(over),
    dropped: book.dropped + over,
  };
}

function alertOf(
  { key, severity, source, name, summary, value, threshold }: AlertCondition,
  state: Alert["state"],
  { sinceMs, nowMs }: { sinceMs: number; nowMs: number },
): Alert {
  return {
    id: idOf(key, sinceMs, state),
    key,
    state,
    severity,
    source,
    name,
    summary: summary.slice(0, 500),
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
    time: nowMs,
  };
}

/** The time it began names the episode. */
function idOf(key: string, sinceMs: number, state: Alert["state"]): string {
  return `${key}#${sinceMs}/${state}`;
}
