/**
 * The smallest JSON merge patch that turns `live` into `desired`, or undefined when they are equal: steady state writes
 * nothing. Members that `desired` no longer has become null; lists are compared as a whole.
 */
export function statusPatch(live: unknown, desired: object): object | undefined {
  const patch = mergePatch(isObject(live) ? live : {}, desired);
  return Object.keys(patch).length === 0 ? undefined : patch;
}

type JsonObject = Readonly<Record<string, unknown>>;

function mergePatch(live: JsonObject, desired: object): JsonObject {
  const patch: Record<string, unknown> = {};
  for (const [member, value] of Object.entries(desired)) {
    if (value === undefined) continue;
    const old = live[member];
    if (isObject(value) && isObject(old)) {
      const inner = mergePatch(old, value);
      if (Object.keys(inner).length > 0) patch[member] = inner;
    } else if (!deepEqual(old, value)) patch[member] = value;
  }
  for (const member of Object.keys(live)) {
    if ((desired as JsonObject)[member] === undefined) patch[member] = null;
  }
  return patch;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Equality of JSON values; a member that is undefined counts as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => deepEqual(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const members = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...members].every((member) => deepEqual(a[member], b[member]));
}
