import { type Address, getAddressDecoder } from "@solana/kit";
import { systemProgram, tokenProgram, wrappedSolMint } from "./program-addresses.ts";

/** An account as an RPC tells of it; undefined where there is none. */
export interface AccountData {
  readonly owner: Address;
  readonly lamports: bigint;
  readonly data: Uint8Array;
}
export type AccountStates = ReadonlyMap<Address, AccountData | undefined>;

/** An SPL token account. */
export interface TokenAccountState {
  readonly address: Address;
  readonly mint: Address;
  readonly owner: Address;
  readonly amount: bigint;
  readonly delegate?: Address;
  readonly closeAuthority?: Address;
  readonly frozen: boolean;
  readonly lamports: bigint;
}

/** What a wallet holds, in minor units. */
export interface WalletState {
  /** Lamports that can be spent: the wallet's own and what it has wrapped. */
  readonly freeLamports: bigint;
  /** Lamports that keep its token accounts open. They come back when these are closed. */
  readonly rentLamports: bigint;
  /** By mint, without wrapped SOL. */
  readonly tokens: ReadonlyMap<Address, bigint>;
  readonly accounts: readonly TokenAccountState[];
  /** False once the wallet's own account belongs to another program than the system's, or holds data. */
  readonly plain: boolean;
}

const tokenAccountBytes = 165;
const decoder = getAddressDecoder();

/** Undefined for anything but an initialised token account of the SPL token program. */
export function tokenAccountState(address: Address, account: AccountData | undefined): TokenAccountState | undefined {
  if (!account || account.owner !== tokenProgram || account.data.length !== tokenAccountBytes || account.data[108] === 0)
    return undefined;
  const { data } = account;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return {
    address,
    mint: decoder.decode(data, 0),
    owner: decoder.decode(data, 32),
    amount: view.getBigUint64(64, true),
    frozen: data[108] === 2,
    lamports: account.lamports,
    ...(view.getUint32(72, true) === 1 ? { delegate: decoder.decode(data, 76) } : {}),
    ...(view.getUint32(129, true) === 1 ? { closeAuthority: decoder.decode(data, 133) } : {}),
  };
}

/** What `wallet` holds in these accounts; pure. Token accounts of others among them are left out. */
export function walletState(wallet: Address, states: AccountStates): WalletState {
  const own = states.get(wallet);
  const accounts = [...states].flatMap(([address, account]) => {
    const token = tokenAccountState(address, account);
    return token && token.owner === wallet ? [token] : [];
  });
  const tokens = new Map<Address, bigint>();
  let wrapped = 0n;
  for (const { mint, amount } of accounts) {
    if (mint === wrappedSolMint) wrapped += amount;
    else tokens.set(mint, (tokens.get(mint) ?? 0n) + amount);
  }
  const inAccounts = accounts.reduce((sum, { lamports }) => sum + lamports, 0n);
  return {
    freeLamports: (own?.lamports ?? 0n) + wrapped,
    rentLamports: inAccounts - wrapped,
    tokens,
    accounts,
    plain: own === undefined || (own.owner === systemProgram && own.data.length === 0),
  };
}

/** How much of a mint a wallet can spend; wrapped SOL's mint stands for SOL. */
export function holdingOf(state: WalletState, mint: Address): bigint {
  return mint === wrappedSolMint ? state.freeLamports : (state.tokens.get(mint) ?? 0n);
}
