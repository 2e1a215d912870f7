const ZERO_DIGIT = 48;
const NINE_DIGIT = 57;
const POINT = 46;
const MINUS = 45;
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The number in bytes[start, end), NaN when there is none. Up to 15 digits are read as a whole number over a power of ten, which
 * is correctly rounded (both are exact doubles); everything else goes the slow way. Blanks around it are allowed.
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const negative = bytes[at] === MINUS;
  if (negative) at++;
  let digits = 0;
  let fraction = -1;
  let value = 0;
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= ZERO_DIGIT && byte <= NINE_DIGIT) {
      value = value * 10 + (byte - ZERO_DIGIT);
      digits++;
      if (fraction >= 0) fraction++;
    } else if (byte === POINT && fraction < 0) fraction = 0;
    else return slowNumber(bytes, start, end);
  }
  if (digits === 0 || digits > 15) return slowNumber(bytes, start, end);
  if (fraction > 0) value /= POWERS[fraction] ?? 1;
  return negative ? -value : value;
}

function slowNumber(bytes: Uint8Array, start: number, end: number): number {
  const text = new TextDecoder().decode(bytes.subarray(start, end)).trim();
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?$/i.test(text) ? Number(text) : Number.NaN;
}

const isoPattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?(Z|[+-]\d\d:?\d\d)?)?$/i;
const epochPattern = /^\d{10,16}$/;

/** Epoch milliseconds of an ISO 8601 time (no zone: UTC) or of a whole number of milliseconds; NaN for anything else. */
export function parseTimestamp(bytes: Uint8Array, start: number, end: number): number {
  const fast = fastIso(bytes, start, end);
  if (!Number.isNaN(fast)) return fast;
  const text = new TextDecoder().decode(bytes.subarray(start, end)).trim();
  if (epochPattern.test(text)) return Number(text);
  const match = isoPattern.exec(text);
  return match === null ? Number.NaN : fromParts(match);
}

function fromParts([
  ,
  year,
  month,
  day,
  hour = "0",
  minute = "0",
  second = "0",
  fraction = "",
  zone = "Z",
]: RegExpExecArray): number {
  const parts = [Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)] as const;
  const timeMs = checkedUtc(parts);
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, "0"));
  return timeMs + milliseconds - zoneMs(zone);
}

function zoneMs(zone: string): number {
  if (zone.toUpperCase() === "Z") return 0;
  const sign = zone.startsWith("-") ? -1 : 1;
  const digits = zone.slice(1).replace(":", "");
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}

/** NaN for the 30th of February and the 25th hour. */
function checkedUtc([year, month, day, hour, minute, second]: readonly [number, number, number, number, number, number]): number {
  const timeMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(timeMs);
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  return same && minute < 60 && second < 60 ? timeMs : Number.NaN;
}

const SHORTEST_ISO = 19;

/** `2022-01-31 23:59:00` and its like, with an optional fraction of zeros; NaN when it is anything else. */
function fastIso(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < SHORTEST_ISO || bytes[start + 4] !== MINUS || bytes[start + 7] !== MINUS) return Number.NaN;
  for (let at = start + SHORTEST_ISO; at < end; at++)
    if (bytes[at] !== (at === start + SHORTEST_ISO ? POINT : ZERO_DIGIT)) return Number.NaN;
  const separator = bytes[start + 10];
  if ((separator !== 32 && separator !== 84) || bytes[start + 13] !== 58 || bytes[start + 16] !== 58) return Number.NaN;
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const [month, day] = [twoDigits(bytes, start + 5), twoDigits(bytes, start + 8)];
  return checkedUtc([year, month, day, twoDigits(bytes, start + 11), twoDigits(bytes, start + 14), twoDigits(bytes, start + 17)]);
}

/** NaN unless both are digits. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const [tens, ones] = [(bytes[at] ?? 0) - ZERO_DIGIT, (bytes[at + 1] ?? 0) - ZERO_DIGIT];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
