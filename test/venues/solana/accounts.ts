import { type Address, address, getAddressDecoder, getAddressEncoder, getProgramDerivedAddress } from "@solana/kit";

export const systemProgram = address("11111111111111111111111111111111");
export const tokenProgram = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
export const associatedTokenProgram = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
export const lookupTableProgram = address("AddressLookupTab1e1111111111111111111111111");
export const computeBudgetProgram = address("ComputeBudget111111111111111111111111111111");

const addressOf = getAddressDecoder();
const bytesOf = getAddressEncoder();

/** The 165 bytes of an SPL token account, as far as the stand-in looks at them. */
export interface TokenAccount {
  readonly mint: Address;
  readonly owner: Address;
  readonly amount: bigint;
}

const tokenAccountBytes = 165;
const mintBytes = 82;
const lookupTableHeaderBytes = 56;
const initialized = 1;

/** Undefined for anything that is no initialised token account. */
export function decodeTokenAccount(programAddress: Address, data: Uint8Array): TokenAccount | undefined {
  if (programAddress !== tokenProgram || data.length !== tokenAccountBytes || data[108] === 0) return undefined;
  return {
    mint: addressOf.decode(data.subarray(0, 32)),
    owner: addressOf.decode(data.subarray(32, 64)),
    amount: viewOf(data).getBigUint64(64, true),
  };
}

export function encodeTokenAccount({ mint, owner, amount }: TokenAccount): Uint8Array {
  const data = new Uint8Array(tokenAccountBytes);
  data.set(bytesOf.encode(mint), 0);
  data.set(bytesOf.encode(owner), 32);
  viewOf(data).setBigUint64(64, amount, true);
  data[108] = initialized;
  return data;
}

export function encodeMint(mint: { authority: Address; supply: bigint; decimals: number }): Uint8Array {
  const data = new Uint8Array(mintBytes);
  viewOf(data).setUint32(0, 1, true);
  data.set(bytesOf.encode(mint.authority), 4);
  viewOf(data).setBigUint64(36, mint.supply, true);
  data[44] = mint.decimals;
  data[45] = initialized;
  return data;
}

/** An address lookup table that nobody can change. */
export function encodeLookupTable(addresses: readonly Address[]): Uint8Array {
  const data = new Uint8Array(lookupTableHeaderBytes + 32 * addresses.length);
  viewOf(data).setUint32(0, 1, true);
  // Never deactivated.
  viewOf(data).setBigUint64(4, 0xffff_ffff_ffff_ffffn, true);
  for (const [index, entry] of addresses.entries()) data.set(bytesOf.encode(entry), lookupTableHeaderBytes + 32 * index);
  return data;
}

/** Decimals of a mint account; undefined for anything else. */
export function mintDecimals(programAddress: Address, data: Uint8Array): number | undefined {
  return programAddress === tokenProgram && data.length === mintBytes ? data[44] : undefined;
}

/** Where a wallet's tokens of one mint are by convention. */
export async function associatedTokenAddress(owner: Address, mint: Address): Promise<Address> {
  const [derived] = await getProgramDerivedAddress({
    programAddress: associatedTokenProgram,
    seeds: [bytesOf.encode(owner), bytesOf.encode(tokenProgram), bytesOf.encode(mint)],
  });
  return derived;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
