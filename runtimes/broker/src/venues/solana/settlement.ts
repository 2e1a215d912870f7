import type { Address } from "@solana/kit";
import type { VenueTrade } from "../venue.ts";
import { exactTrades, fromMinorUnits } from "./amounts.ts";
import { type SolanaToken, solDecimals, wrappedSolMint } from "./program-addresses.ts";
import { formatDecimal } from "@bellwether/trading";

/** A finalized transaction as `getTransaction` tells of it. */
export interface LandedTransaction {
  readonly signature: string;
  readonly slot: bigint;
  /** Epoch milliseconds of its block. */
  readonly timeMs: number;
  readonly failed: boolean;
  readonly feeLamports: bigint;
  readonly accounts: readonly Address[];
  readonly preBalances: readonly bigint[];
  readonly postBalances: readonly bigint[];
  readonly preTokens: readonly TokenBalance[];
  readonly postTokens: readonly TokenBalance[];
}

export interface TokenBalance {
  readonly accountIndex: number;
  readonly mint: Address;
  readonly owner: Address;
  readonly amount: bigint;
}

/** What a transaction did to a wallet, in minor units; wrapped SOL's mint stands for SOL. Every lamport is in exactly one member. */
export interface WalletDelta {
  /** Taken from the wallet; also from a failed transaction. */
  readonly feeLamports: bigint;
  /** Locked in token accounts opened (positive), or come back from closed ones (negative). */
  readonly rentLamports: bigint;
  /** What else came (positive) or went, by mint, without zeros. */
  readonly assets: ReadonlyMap<Address, bigint>;
}

/** Pure: the difference of balances, which is the only truth about a swap. */
export function walletDelta(landed: LandedTransaction, wallet: Address): WalletDelta {
  const own = new Set<number>();
  const assets = new Map<Address, bigint>();
  const count = (balances: readonly TokenBalance[], sign: bigint): void => {
    for (const { accountIndex, mint, owner, amount } of balances) {
      if (owner !== wallet) continue;
      own.add(accountIndex);
      assets.set(mint, (assets.get(mint) ?? 0n) + sign * amount);
    }
  };
  count(landed.preTokens, -1n);
  count(landed.postTokens, 1n);
  const lamportsOf = (index: number): bigint => (landed.postBalances[index] ?? 0n) - (landed.preBalances[index] ?? 0n);
  const wrapped = assets.get(wrappedSolMint) ?? 0n;
  const rentLamports = [...own].reduce((sum, index) => sum + lamportsOf(index), 0n) - wrapped;
  const feeLamports = landed.accounts[0] === wallet ? landed.feeLamports : 0n;
  const walletIndex = landed.accounts.indexOf(wallet);
  const lamports = walletIndex < 0 ? 0n : lamportsOf(walletIndex);
  assets.set(wrappedSolMint, lamports + wrapped + feeLamports + rentLamports);
  for (const [mint, amount] of assets) if (amount === 0n) assets.delete(mint);
  return { feeLamports, rentLamports, assets };
}

/** An order's swap, as far as its fills need to know. */
export interface SwapOrder {
  readonly clientOrderId: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly base: SolanaToken;
  readonly quote: SolanaToken;
}

/**
 * The executions of a swap: base and quote as they changed in the wallet, at most two trades so that quantity × price is exact. Fee and rent, in SOL, stand in
 * the first. Empty when the transaction moved neither.
 */
export function tradesOf(order: SwapOrder, landed: LandedTransaction, delta: WalletDelta): readonly VenueTrade[] {
  const sign = order.side === "buy" ? 1n : -1n;
  const base = sign * (delta.assets.get(order.base.mint) ?? 0n);
  const quote = -sign * (delta.assets.get(order.quote.mint) ?? 0n);
  if (base <= 0n || quote < 0n) return [];
  const trades = exactTrades({ base, baseDecimals: order.base.decimals, quote, quoteDecimals: order.quote.decimals });
  const cost = formatDecimal(fromMinorUnits(delta.feeLamports + delta.rentLamports, solDecimals));
  return trades.map(({ quantity, price }, index) => ({
    tradeId: index === 0 ? landed.signature : `${landed.signature}#${index + 1}`,
    clientOrderId: order.clientOrderId,
    market: order.market,
    side: order.side,
    quantity,
    price,
    fee: index === 0 ? cost : "0",
    feeAsset: "SOL",
    time: landed.timeMs,
    leg: "entry",
  }));
}
