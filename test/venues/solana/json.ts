const mark = "bigint:";
const marked = /"bigint:(-?\d+)"/g;

/** JSON with bigints as plain numbers, as Solana's RPC writes u64: larger than a float holds exactly. No text of the RPC looks like the mark. */
export function stringifyWithBigInts(value: unknown): string {
  const text = JSON.stringify(value, (_key, member: unknown) => (typeof member === "bigint" ? `${mark}${member}` : member));
  return text.replaceAll(marked, "$1");
}
