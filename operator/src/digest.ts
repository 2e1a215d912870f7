import { createHash } from "node:crypto";

/** SHA-256 of a value's JSON with sorted keys, 16 hex characters: equal values give equal digests, whatever order their members came in. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(stableJson(value)).digest("hex").slice(0, 16);
}

/** JSON with sorted keys; members that are undefined are left out, as JSON.stringify does. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
