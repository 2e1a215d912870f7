import { hash } from "node:crypto";

/** How venues want client order ids: 32 hex characters, 18 characters (base 62 of 104 bits), or a UUID. */
export type ClientOrderIdEncoding = "hex32" | "short18" | "uuid";

/**
 * The id an order carries at the venue: the first 128 bits of SHA-256(`<intentId>#<attempt>`), so that every retry, restart
 * and recovery arrives at the same id without asking anybody. 128 bits: a collision among 10^12 orders has a chance of 10^-15.
 */
export function clientOrderId(intentId: string, attempt: number, encoding: ClientOrderIdEncoding = "hex32"): string {
  const digest = hash("sha256", `${intentId}#${attempt}`, "hex").slice(0, 32);
  switch (encoding) {
    case "hex32":
      return digest;
    case "short18":
      return base62(digest.slice(0, 26)).padStart(18, "0");
    case "uuid":
      return uuidFrom(digest);
  }
}

const base62Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 104 bits fit 18 characters (62^18 > 2^107). */
function base62(hex: string): string {
  let rest = BigInt(`0x${hex}`);
  let text = "";
  while (rest > 0n) {
    text = base62Alphabet.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
}

/** Version 8 (custom), RFC 9562: six bits of the digest give way to version and variant. */
function uuidFrom(hex: string): string {
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
