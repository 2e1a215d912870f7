import { parseIntentId } from "@bellwether/trading";

/** Ordinals from here on belong to the sells by which risk empties a deleted strategy; programs may not use them. */
export const firstFlattenOrdinal = 900;
export const flattenOrdinals = 100;

export function isFlattening(intentId: string): boolean {
  return (parseIntentId(intentId)?.ordinal ?? 0) >= firstFlattenOrdinal;
}
