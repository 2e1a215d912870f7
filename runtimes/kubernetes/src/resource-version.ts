/**
 * True when version `a` was written after version `b`.
 *
 * Resource versions are etcd revisions: decimal numbers without leading zeros that only grow (made an API promise by
 * KEP-5504), compared here without parsing. A version of another form counts as newer: believing the server is safe.
 */
export function isNewer(a: string, b: string): boolean {
  if (a === b) return false;
  if (!isDecimal(a) || !isDecimal(b)) return true;
  return a.length === b.length ? a > b : a.length > b.length;
}

function isDecimal(version: string): boolean {
  return /^(0|[1-9]\d*)$/.test(version);
}
