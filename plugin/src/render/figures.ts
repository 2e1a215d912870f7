import {
  type Decimal,
  decimalFromInteger,
  formatDecimal,
  multiply,
  parseDecimal,
  roundToDecimals,
} from "@bellwether/trading/decimal";

/** Money of a decimal string for reading: two decimals and thousands apart (`12,345.60`). The exact figure is in `-o json`. */
export function money(text: string | undefined): string {
  if (text === undefined) return "";
  const [whole = "", fraction = ""] = formatDecimal(roundToDecimals(parseDecimal(text), 2, "halfEven")).split(".");
  return `${whole.replaceAll(/\B(?=(\d{3})+$)/g, ",")}.${fraction.padEnd(2, "0")}`;
}

/** A ratio in percent with two decimals (`-1.25 %`). */
export function percent(ratio: string | undefined): string {
  if (ratio === undefined) return "";
  const hundredfold = multiply(parseDecimal(ratio), decimalFromInteger(100), "halfEven");
  const [whole = "", fraction = ""] = formatDecimal(roundToDecimals(hundredfold, 2, "halfEven")).split(".");
  return `${whole}.${fraction.padEnd(2, "0")} %`;
}

/** Exactly as it is, without zeros at the end: quantities and prices. */
export function exact(text: string | undefined): string {
  return text === undefined ? "" : formatDecimal(parseDecimal(text));
}

/** Epoch milliseconds as UTC to the second (`2026-11-21 14:03:09Z`). */
export function instant(timeMs: number | undefined): string {
  return timeMs === undefined ? "" : `${new Date(timeMs).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** How long ago, coarse (`12s`, `5m`, `3h`, `2d`); `now` for the future, since clocks differ. */
export function ago(timeMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - timeMs) / 1_000);
  if (seconds < 1) return "now";
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** What the venue has more (or less) than the journal. */
export function difference(venue: string, journal: string): string {
  const value = (parseDecimal(venue) - parseDecimal(journal)) as Decimal;
  return `${value > 0n ? "+" : ""}${formatDecimal(value)}`;
}
