import { z } from "zod";
import { celMatches, withKeywords, withRule } from "./rule.ts";

// Texts that look alike in every kind. Each is one string with a bound, one pattern and one message: the API server refuses two
// patterns on one field, and the cost of CEL is reckoned from the bound.

interface TextRule {
  readonly pattern: RegExp;
  readonly max: number;
  readonly message: string;
}

/** A string that must match one pattern; the message is what a person reads in `kubectl apply`. */
export const text = ({ pattern, max, message }: TextRule): z.ZodString =>
  withRule(z.string().min(1).max(max), { check: (value) => pattern.test(value), cel: celMatches(pattern), message, got: "self" });

/** Free text without a form. */
export const freeText = (max: number): z.ZodString => z.string().max(max);

/**
 * A whole number between two bounds, both allowed. The bounds stand in the schema, which shows the refused value, and in a rule, which
 * tells the whole range: a rule's message cannot hold a number, whose text has no bound in the API server's reckoning of costs.
 */
export const wholeNumber = (minimum: number, maximum: number): z.ZodInt =>
  withRule(z.int().min(minimum).max(maximum), {
    check: (value) => value >= minimum && value <= maximum,
    cel: `self >= ${minimum} && self <= ${maximum}`,
    message: `must be a whole number between ${minimum} and ${maximum}`,
  });

const unsignedDecimalPattern = /^\d{1,24}(\.\d{1,18})?$/;
const decimalMax = 44;

interface DecimalRange {
  /** Text such as "greater than 0". */
  readonly range: string;
  readonly check: (value: number) => boolean;
  /** CEL over `number`, a double. */
  readonly cel: string;
}

const rangedDecimal = ({ range, check, cel }: DecimalRange): z.ZodString =>
  withRule(z.string().min(1).max(decimalMax), {
    check: (value) => unsignedDecimalPattern.test(value) && check(Number(value)),
    cel: `${celMatches(unsignedDecimalPattern)} && ${cel.replaceAll("number", "double(self)")}`,
    message: `must be a decimal number as text, ${range}`,
    got: "self",
  });

/** An amount of money or of an asset, greater than 0. */
export const positiveDecimal = rangedDecimal({
  range: 'greater than 0, such as "2500.50"',
  check: (value) => value > 0,
  cel: "number > 0.0",
});

/** An amount of money or of an asset, 0 allowed. */
export const amount = text({
  pattern: unsignedDecimalPattern,
  max: decimalMax,
  message: 'must be a decimal number as text, 0 or more, such as "2500.50"',
});

/** A share: 0 < ratio ≤ 1. */
export const ratio = rangedDecimal({
  range: 'greater than 0 and at most 1, such as "0.25"',
  check: (value) => value > 0 && value <= 1,
  cel: "number > 0.0 && number <= 1.0",
});

/** A share that may be nothing: 0 ≤ ratio ≤ 1. */
export const ratioOrZero = rangedDecimal({
  range: 'between 0 and 1, such as "0.25"',
  check: (value) => value >= 0 && value <= 1,
  cel: "number >= 0.0 && number <= 1.0",
});

/** A multiple of something usual: 1 < multiple ≤ 1000. */
export const multiple = rangedDecimal({
  range: 'greater than 1 and at most 1000, such as "3"',
  check: (value) => value > 1 && value <= 1000,
  cel: "number > 1.0 && number <= 1000.0",
});

/**
 * A whole number, or text. The API server knows this one union only (`x-kubernetes-int-or-string`); fractions are written as text.
 * The generator recognises the tag and writes the keyword instead of the union.
 */
export const intOrString = (max: number) =>
  z
    .union([z.int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER), z.string().max(max)])
    .meta({ "x-kubernetes-int-or-string": true });

/** A whole number or a decimal as text, between two bounds. */
export const numberOrDecimal = (minimum: number, maximum: number) =>
  withRule(intOrString(decimalMax), {
    check: (value) => {
      if (typeof value === "string" && !unsignedDecimalPattern.test(value)) return false;
      return Number(value) >= minimum && Number(value) <= maximum;
    },
    cel:
      `type(self) == int ? (self >= ${minimum} && self <= ${maximum}) : ` +
      `(${celMatches(unsignedDecimalPattern, "string(self)")} && double(string(self)) >= ${minimum}.0 && double(string(self)) <= ${maximum}.0)`,
    message: `must be a number between ${minimum} and ${maximum} (fractions as text, such as "7.5")`,
    got: "string(self)",
  });

const durationPattern = /^(\d{1,6}h)?(\d{1,7}m)?(\d{1,8}s)?(\d{1,9}ms)?$/;
const durationUnitsMs = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/**
 * Milliseconds of a duration such as `30s`, `5m`, `24h` or `1h30m`.
 * @throws RangeError when the text is no duration; inside the cluster the CRD has refused such a text already.
 */
export function durationMs(duration: string): number {
  if (duration === "" || !durationPattern.test(duration))
    throw new RangeError(`not a duration such as 30s, 5m or 24h: ${JSON.stringify(duration)}`);
  let total = 0;
  for (const [, count, unit] of duration.matchAll(/(\d+)(ms|h|m|s)/g)) {
    total += Number(count) * durationUnitsMs[unit as keyof typeof durationUnitsMs];
  }
  return total;
}

/** A duration between two others, both allowed. */
export const duration = (shortest: string, longest: string): z.ZodString => {
  const [minimumMs, maximumMs] = [durationMs(shortest), durationMs(longest)];
  return withRule(z.string().min(1).max(24), {
    check: (value) =>
      durationPattern.test(value) && value !== "" && durationMs(value) >= minimumMs && durationMs(value) <= maximumMs,
    cel: `${celMatches(durationPattern)} && duration(self) >= duration('${shortest}') && duration(self) <= duration('${longest}')`,
    message: `must be a duration between ${shortest} and ${longest}, such as 30s, 5m or 24h`,
    got: "self",
  });
};

const cronField = (value: string): string => {
  const part = `(\\*|${value}(-${value})?)(/[1-9][0-9]?)?`;
  return `${part}(,${part})*`;
};
const months = "(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)";
const weekdays = "([0-7]|SUN|MON|TUE|WED|THU|FRI|SAT)";
const cronPattern = new RegExp(
  `^(@(hourly|daily|weekly|monthly|yearly)|${[cronField("[0-5]?[0-9]"), cronField("([01]?[0-9]|2[0-3])"), cronField("(0?[1-9]|[12][0-9]|3[01])"), cronField(months), cronField(weekdays)].join(" ")})$`,
);

/** Five cron fields, or @hourly, @daily, @weekly, @monthly, @yearly. */
export const cron = text({
  pattern: cronPattern,
  max: 100,
  message: 'must be a cron expression of five fields (minute hour day month weekday), such as "*/5 * * * *"',
});

export const timeZone = text({
  pattern: /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/,
  max: 64,
  message: "must be a time zone of the IANA database, such as UTC or Europe/Berlin",
});

/** A day or a second in UTC. Texts of this form are in the order of time. */
export const instant = text({
  pattern: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ)?$/,
  max: 24,
  message: "must be a day or an instant in UTC, such as 2022-01-01 or 2022-01-01T12:00:00Z",
});

export const url = text({
  pattern: /^https?:\/\/[A-Za-z0-9._:[\]-]+([/?][!-"$-~]*)?$/,
  max: 500,
  message: "must be an http or https address without user, password and fragment, such as https://api.example.com",
});

export const memoryQuantity = text({
  pattern: /^[1-9]\d{0,8}(Ki|Mi|Gi|Ti|k|M|G|T)$/,
  max: 12,
  message: "must be an amount of memory with a unit, such as 512Mi or 4Gi",
});

/** A DNS label: what Kubernetes takes as part of a Service's name. */
export const dnsLabel = (max: number): z.ZodString =>
  text({
    pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    max,
    message: `must be a name of at most ${max} lower-case letters, digits and hyphens, starting and ending with a letter or digit`,
  });

/** The name of any Kubernetes object. */
export const objectName = text({
  pattern: /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
  max: 253,
  message: "must be the name of a Kubernetes object (lower-case letters, digits, hyphens and dots)",
});

export const dataKey = text({
  pattern: /^[-._a-zA-Z0-9]+$/,
  max: 253,
  message: "must be a key of a ConfigMap or Secret (letters, digits, '-', '_' and '.')",
});

export const asset = text({
  pattern: /^[A-Za-z0-9]{1,44}$/,
  max: 44,
  message: "must be the code of an asset, such as BTC or USDT",
});

export const marketSymbol = text({
  pattern: /^[A-Za-z0-9.-]{1,44}\/[A-Za-z0-9.-]{1,44}(:[A-Za-z0-9-]{1,10})?$/,
  max: 100,
  message: "must be a market in the form BASE/QUOTE, such as BTC/USDT",
});

export const timeframe = text({
  pattern: /^[1-9]\d{0,3}[smhdw]$/,
  max: 5,
  message: "must be a timeframe such as 1m, 5m, 1h or 1d",
});

export const exchange = text({
  pattern: /^[a-z][a-z0-9]{1,39}$/,
  max: 40,
  message: "must be the id of a ccxt exchange, such as binance or kraken",
});

/** A seed of the deterministic generators: 31 bits. */
export const seed = wholeNumber(0, 2_147_483_647);

/** A list whose entries are told apart by `keys`; server-side apply merges it by them. */
export function listMap<Item extends z.ZodType>(item: Item, keys: readonly (keyof z.output<Item> & string)[], max: number) {
  const identity = (entry: z.output<Item>): string => JSON.stringify(keys.map((key) => entry[key]));
  return withKeywords(
    z.array(item).max(max),
    { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [...keys] },
    {
      check: (entries) => new Set(entries.map(identity)).size === entries.length,
      message: `must not repeat ${keys.join(" and ")}`,
    },
  );
}

/** A list of distinct values. */
export function listSet<Item extends z.ZodType>(item: Item, max: number) {
  return withKeywords(
    z.array(item).max(max),
    { "x-kubernetes-list-type": "set" },
    { check: (entries) => new Set(entries).size === entries.length, message: "must not repeat a value" },
  );
}

/** A list that is replaced as a whole. */
export const listAtomic = <Item extends z.ZodType>(item: Item, max: number) =>
  z.array(item).max(max).meta({ "x-kubernetes-list-type": "atomic" });

/** A map with a bound on its size and a form of its keys. */
export function map<Value extends z.ZodType>(key: TextRule, value: Value, maxProperties: number) {
  const bounded = withKeywords(
    z.record(z.string(), value),
    { maxProperties },
    {
      check: (entries) => Object.keys(entries).length <= maxProperties,
      message: `must have at most ${maxProperties} entries`,
    },
  );
  return withRule(bounded, {
    check: (entries) => Object.keys(entries).every((name) => name.length <= key.max && key.pattern.test(name)),
    cel: `self.all(key, key.size() <= ${key.max} && ${celMatches(key.pattern, "key")})`,
    message: key.message,
  });
}
