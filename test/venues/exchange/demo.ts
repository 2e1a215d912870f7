import type { KeyOptions, MarketOptions } from "./exchange.ts";

/** Markets of every local exchange, with Binance's steps. */
export const demoMarkets: readonly MarketOptions[] = [
  {
    symbol: "BTC/USDT",
    base: "BTC",
    quote: "USDT",
    priceStep: "0.01",
    quantityStep: "0.00001",
    minQuantity: "0.00001",
    minNotional: "5",
    start: "40000",
  },
  {
    symbol: "ETH/USDT",
    base: "ETH",
    quote: "USDT",
    priceStep: "0.01",
    quantityStep: "0.0001",
    minQuantity: "0.0001",
    minNotional: "5",
    start: "2500",
  },
  {
    symbol: "LUNA/USDT",
    base: "LUNA",
    quote: "USDT",
    priceStep: "0.0001",
    quantityStep: "0.01",
    minQuantity: "0.01",
    minNotional: "5",
    start: "80",
    open: false,
  },
];

/** Keys of the local exchange; they open nothing else. */
export const demoKeys: readonly KeyOptions[] = [
  {
    apiKey: "local-trade-key",
    secret: "local-trade-secret",
    passphrase: "local-passphrase",
    accountId: "local-1",
    canTrade: true,
    canWithdraw: false,
  },
  {
    apiKey: "local-withdraw-key",
    secret: "local-withdraw-secret",
    passphrase: "local-passphrase",
    accountId: "local-2",
    canTrade: true,
    canWithdraw: true,
  },
  {
    apiKey: "local-read-key",
    secret: "local-read-secret",
    passphrase: "local-passphrase",
    accountId: "local-3",
    canTrade: false,
    canWithdraw: false,
  },
];
