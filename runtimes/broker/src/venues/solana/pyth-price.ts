import { DECIMAL_DIGITS, type Decimal, exceedsRatio, formatDecimal } from "@bellwether/trading";
import { type Address, address } from "@solana/kit";
import type { AccountData } from "./wallet-state.ts";

/** Programs that write prices: the oracle of mainnet and that of devnet (price accounts, version 2), and the receiver (price updates, carried by Wormhole). */
const oraclePrograms: readonly Address[] = [
  address("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH"),
  address("gSbePebfvPy7tRqimPoVecS2UsBvYv46ynrzWocc92s"),
];
const receiverProgram = address("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ");

/** What an account says. The price is `price` × 10^`exponent`, give or take `confidence` × 10^`exponent`. */
export interface PythPrice {
  readonly price: bigint;
  readonly confidence: bigint;
  readonly exponent: number;
  /** Epoch milliseconds, of the publishers' clocks; whole seconds. */
  readonly publishedAtMs: number;
  /** Slot it was published in, or posted in. */
  readonly slot: bigint;
}

export type PythAccount =
  | { readonly readable: true; readonly price: PythPrice }
  /** Not a price account that this version reads, or one whose price does not count now. `message` is for a person. */
  | { readonly readable: false; readonly reason: PythFault; readonly message: string };

export type PythFault =
  | "ACCOUNT_MISSING"
  | "OWNER_UNKNOWN"
  | "TOO_SHORT"
  | "MAGIC_WRONG"
  | "VERSION_UNKNOWN"
  | "NOT_A_PRICE"
  | "NOT_TRADING"
  | "NOT_VERIFIED"
  | "EXPONENT_OUT_OF_RANGE"
  | "PRICE_NOT_POSITIVE";

/** Every price in use has an exponent from -12 to 0; what is beyond these is no price, and would make powers of ten of any size. */
const leastExponent = -DECIMAL_DIGITS;
const largestExponent = 12;

/** Version 2: a packed C structure, little endian. https://github.com/pyth-network/pyth-client, `pc_price_t`. */
const v2 = { magic: 0xa1b2c3d4, version: 2, priceAccount: 3, pricePrice: 1, trading: 1, bytes: 240 } as const;
/** Anchor's mark of `PriceUpdateV2`: the first eight bytes of SHA-256("account:PriceUpdateV2"). */
const updateMark = "22f123639d7ef4cd";
/** Mark, write authority, and one byte of verification level: 1 is full, 0 is partial with a number of signatures behind it. */
const update = { level: 40, full: 1, message: 41, bytes: 41 + 84 + 8 } as const;

/** Reads a price out of an account; pure. Nothing beyond the account's bytes is read, whatever they say. */
export function parsePythAccount(account: AccountData | undefined): PythAccount {
  if (!account) return fault("ACCOUNT_MISSING", "there is no such account");
  const { owner, data } = account;
  if (oraclePrograms.includes(owner)) return parsePriceAccount(data);
  if (owner === receiverProgram) return parsePriceUpdate(data);
  return fault("OWNER_UNKNOWN", `it belongs to ${owner}, which is no program of Pyth's`);
}

function parsePriceAccount(data: Uint8Array): PythAccount {
  if (data.length < v2.bytes) return fault("TOO_SHORT", `it has ${data.length} bytes; a price account has ${v2.bytes} and more`);
  const view = viewOf(data);
  if (view.getUint32(0, true) !== v2.magic) return fault("MAGIC_WRONG", "it does not begin as Pyth's accounts do");
  const version = view.getUint32(4, true);
  if (version !== v2.version) return fault("VERSION_UNKNOWN", `it is of version ${version}; read is version ${v2.version}`);
  if (view.getUint32(8, true) !== v2.priceAccount) return fault("NOT_A_PRICE", "it is an account of Pyth's that holds no price");
  if (view.getUint32(16, true) !== v2.pricePrice) return fault("NOT_A_PRICE", "it holds another figure than a price");
  const status = view.getUint32(224, true);
  if (status !== v2.trading) return fault("NOT_TRADING", `its status is ${statusName(status)}, not trading`);
  return checked({
    price: view.getBigInt64(208, true),
    confidence: view.getBigUint64(216, true),
    exponent: view.getInt32(20, true),
    publishedAtMs: Number(view.getBigInt64(96, true)) * 1_000,
    slot: view.getBigUint64(232, true),
  });
}

/** A price message that the receiver has verified: feed 32, price 8, confidence 8, exponent 4, published 8, three that are not used, then the slot. */
function parsePriceUpdate(data: Uint8Array): PythAccount {
  if (data.length < update.bytes)
    return fault("TOO_SHORT", `it has ${data.length} bytes; a price update has ${update.bytes} and more`);
  if (Buffer.from(data.subarray(0, 8)).toString("hex") !== updateMark)
    return fault("MAGIC_WRONG", "it is an account of the receiver's that holds no price");
  if (data[update.level] !== update.full) return fault("NOT_VERIFIED", "not all of its signatures have been verified");
  const view = viewOf(data.subarray(update.message));
  return checked({
    price: view.getBigInt64(32, true),
    confidence: view.getBigUint64(40, true),
    exponent: view.getInt32(48, true),
    publishedAtMs: Number(view.getBigInt64(52, true)) * 1_000,
    slot: view.getBigUint64(84, true),
  });
}

function checked(price: PythPrice): PythAccount {
  const { exponent } = price;
  if (exponent < leastExponent || exponent > largestExponent)
    return fault("EXPONENT_OUT_OF_RANGE", `its exponent is ${exponent}`);
  if (price.price <= 0n) return fault("PRICE_NOT_POSITIVE", "its price is not greater than 0");
  return { readable: true, price };
}

export interface PythLimits {
  /** Older ones are none. */
  readonly maxAgeMs: number;
  /** Most that the confidence may be of the price. */
  readonly maxConfidenceRatio: Decimal;
}

export type PythVerdict =
  | { readonly usable: true; readonly price: Decimal }
  | { readonly usable: false; readonly reason: "STALE"; readonly ageMs: number; readonly maxAgeMs: number }
  | { readonly usable: false; readonly reason: "FROM_THE_FUTURE"; readonly aheadMs: number }
  | {
      readonly usable: false;
      readonly reason: "CONFIDENCE_TOO_WIDE";
      readonly confidence: Decimal;
      readonly price: Decimal;
      readonly maxRatio: Decimal;
    };

/** Clocks of publishers and of this machine may differ by this much. */
const mostAheadMs = 30_000;

/** Whether a price may be compared with now; pure. `nowMs`: wall time. */
export function judgePythPrice(told: PythPrice, nowMs: number, limits: PythLimits): PythVerdict {
  const ageMs = nowMs - told.publishedAtMs;
  if (ageMs > limits.maxAgeMs) return { usable: false, reason: "STALE", ageMs, maxAgeMs: limits.maxAgeMs };
  if (-ageMs > mostAheadMs) return { usable: false, reason: "FROM_THE_FUTURE", aheadMs: -ageMs };
  const price = scaled(told.price, told.exponent);
  const confidence = scaled(told.confidence, told.exponent);
  if (exceedsRatio(confidence, price, limits.maxConfidenceRatio))
    return { usable: false, reason: "CONFIDENCE_TOO_WIDE", confidence, price, maxRatio: limits.maxConfidenceRatio };
  return { usable: true, price };
}

/** A verdict against a price as a sentence, for health and status. */
export function sayPythVerdict(verdict: Extract<PythVerdict, { usable: false }>): string {
  switch (verdict.reason) {
    case "STALE":
      return `its price is ${seconds(verdict.ageMs)} s old; at most ${seconds(verdict.maxAgeMs)} s count`;
    case "FROM_THE_FUTURE":
      return `its price is from ${seconds(verdict.aheadMs)} s ahead of this machine's clock`;
    case "CONFIDENCE_TOO_WIDE": {
      const { price, confidence, maxRatio } = verdict;
      return `its price ${formatDecimal(price)} is only sure to ${formatDecimal(confidence)}, more than ${formatDecimal(maxRatio)} of it`;
    }
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(0);
}

/** Exact: the exponent is not below -18. */
function scaled(amount: bigint, exponent: number): Decimal {
  return (amount * 10n ** BigInt(DECIMAL_DIGITS + exponent)) as Decimal;
}

function statusName(status: number): string {
  return ["unknown", "trading", "halted", "auction", "ignored"][status] ?? String(status);
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function fault(reason: PythFault, message: string): PythAccount {
  return { readable: false, reason, message };
}
