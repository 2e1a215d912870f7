import { type BrokerAccount, formatDecimal } from "@bellwether/trading";
import type { ReferenceReading } from "./reference-source.ts";

const mostMessage = 300;

/** What the account's answer says of its second source; pure. `nowMs`: wall time of the look. */
export function tellReferences(
  readings: readonly ReferenceReading[],
  nowMs: number,
): Pick<BrokerAccount, "references" | "referencesMissing"> {
  const references = readings.flatMap((reading) =>
    reading.known
      ? [{ market: reading.market, price: formatDecimal(reading.price), own: formatDecimal(reading.own), time: nowMs }]
      : [],
  );
  const referencesMissing = readings.flatMap((reading) =>
    reading.known ? [] : [{ market: reading.market, message: reading.reason.slice(0, mostMessage) }],
  );
  return {
    ...(references.length > 0 ? { references } : {}),
    ...(referencesMissing.length > 0 ? { referencesMissing } : {}),
  };
}

/** The same as a sentence for health; `missing` is how many markets have no second price. */
export function sayReferences(readings: readonly ReferenceReading[]): { readonly missing: number; readonly message: string } {
  const missing = readings.flatMap((reading) => (reading.known ? [] : [`${reading.market}: ${reading.reason}`]));
  if (missing.length > 0) return { missing: missing.length, message: missing.join("; ").slice(0, mostMessage) };
  return { missing: 0, message: `${readings.length} markets have a second price` };
}
