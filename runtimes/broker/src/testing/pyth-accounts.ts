import { address } from "@solana/kit";

/** Accounts as Pyth's programs write them, for tests. */
export interface PythFields {
  /** Of the price, in units of 10^exponent. */
  readonly price: bigint;
  readonly confidence?: bigint;
  readonly exponent?: number;
  /** Epoch milliseconds. */
  readonly publishedAtMs: number;
  readonly slot?: bigint;
  /** Price accounts: 0 unknown, 1 trading, 2 halted, 3 auction. */
  readonly status?: number;
}

export const pythOracleProgram = address("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH");
export const pythReceiverProgram = address("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ");

/** A price account of version 2, without components. */
export function encodePriceAccount({
  price,
  confidence = 0n,
  exponent = -8,
  publishedAtMs,
  slot = 1n,
  status = 1,
}: PythFields): Uint8Array {
  const data = new Uint8Array(3_312);
  const view = new DataView(data.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint32(4, 2, true);
  view.setUint32(8, 3, true);
  view.setUint32(12, 240, true);
  view.setUint32(16, 1, true);
  view.setInt32(20, exponent, true);
  view.setBigInt64(96, BigInt(Math.floor(publishedAtMs / 1_000)), true);
  view.setBigInt64(208, price, true);
  view.setBigUint64(216, confidence, true);
  view.setUint32(224, status, true);
  view.setBigUint64(232, slot, true);
  return data;
}

/** A price update that the receiver has verified in full. */
export function encodePriceUpdate({
  price,
  confidence = 0n,
  exponent = -8,
  publishedAtMs,
  slot = 1n,
}: Omit<PythFields, "status">): Uint8Array {
  const data = new Uint8Array(134);
  const view = new DataView(data.buffer);
  data.set([0x22, 0xf1, 0x23, 0x63, 0x9d, 0x7e, 0xf4, 0xcd]);
  data[40] = 1;
  view.setBigInt64(73, price, true);
  view.setBigUint64(81, confidence, true);
  view.setInt32(89, exponent, true);
  view.setBigInt64(93, BigInt(Math.floor(publishedAtMs / 1_000)), true);
  view.setBigUint64(125, slot, true);
  return data;
}
