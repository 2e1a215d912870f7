import type { Random } from "@bellwether/service-kit/random";

/** Bytes that cannot be compressed, the same for the same seed. */
export function randomBytes(length: number, random: Random): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let index = 0; index < words.length; index++) words[index] = random.next() * 4_294_967_296;
  return Buffer.from(words.buffer, 0, length);
}

/** Text like a dump's: rows of few words and numbers, compressible some four to one. */
export function dumpLike(length: number, random: Random): Buffer {
  const words = ["BTC/USDT", "buy", "sell", "filled", "2026-11-22T00:00:00Z", "momentum", "\\N"];
  const rows: string[] = [];
  for (let bytes = 0; bytes < length;) {
    const row = `${Math.floor(random.next() * 1e9)}\t${words[Math.floor(random.next() * words.length)]}\t${words[Math.floor(random.next() * words.length)]}\t0.${Math.floor(random.next() * 1e8)}\n`;
    rows.push(row);
    bytes += row.length;
  }
  return Buffer.from(rows.join("")).subarray(0, length);
}
