import { type Examples, manifestOf, withFields } from "./example.ts";

const minimal = {
  baseCurrency: "USDT",
  accounts: [
    {
      name: "main",
      paper: { balances: [{ asset: "USDT", amount: "10000" }], market: { replay: { dataset: { synthetic: { seed: 1 } } } } },
    },
  ],
};
const solana = {
  rpcUrls: ["https://rpc-a.example.com", "https://rpc-b.example.com/key"],
  keypairSecretRef: { name: "wallet" },
  programAllowList: ["JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"],
  genesisHash: "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
};
const pyth = { accounts: [{ market: "SOL/USDC", address: "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE" }] };
const full = {
  baseCurrency: "USDT",
  trading: "Reducing",
  accounts: [
    {
      name: "replayed",
      paper: {
        balances: [
          { asset: "USDT", amount: "10000.50" },
          { asset: "BTC", amount: "0" },
        ],
        feeBps: 10,
        slippageBps: "2.5",
        volumeShareRatio: "0.10",
        market: { replay: { dataset: { configMapRef: { name: "bars", key: "btc.csv" }, symbol: "BTC/USDT" }, speed: 600 } },
      },
    },
    {
      name: "public",
      paper: {
        balances: [{ asset: "USDT", amount: "1" }],
        market: { ccxt: { exchange: "binance", baseUrl: "http://127.0.0.1:8090/api" } },
      },
    },
    {
      name: "binance",
      ccxt: { exchange: "binance", sandbox: true, credentialsSecretRef: { name: "binance-keys" } },
      hardCaps: { maxOrderNotional: "500", maxDailyNotional: "5000" },
      referencePrice: { ccxt: { exchange: "kraken", baseUrl: "https://mirror.example.com" } },
    },
    { name: "wallet", solana },
    {
      name: "local",
      solana: {
        ...solana,
        tokens: [
          { asset: "SOL", mint: "So11111111111111111111111111111111111111112", decimals: 9 },
          { asset: "USDC", mint: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", decimals: 6 },
        ],
        destinations: ["JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"],
        swap: { baseUrl: "http://127.0.0.1:8091", slippageBps: 30, maxDeviationBps: 100 },
        dailyFeeLamports: 10_000_000,
        market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: 60 } },
      },
      referencePrice: { pyth: { ...pyth, maxAge: "30s", maxConfidenceRatio: "0.005" } },
    },
  ],
  limits: {
    maxPositionRatio: "0.20",
    maxTokenConcentrationRatio: "0.50",
    maxOrderNotional: "2500",
    maxOpenOrders: 10,
    maxOrdersPerMinute: 30,
    maxDailyLossRatio: "0.03",
    maxDrawdownRatio: "1",
  },
  alerts: { webhookUrlSecretRef: { name: "alerts", key: "slack-url" } },
  sizing: { method: "VolatilityTarget", targetVolatilityRatio: "0.15", lookbackBars: 200 },
  gas: {
    maxGasPriceGwei: "100",
    maxPriorityFeeMicroLamports: 500_000,
    maxFeeLamportsPerTransaction: 100_000,
    dailyFeeBudget: "25",
    spikeMultiple: "3",
  },
  circuitBreakers: [
    { type: "RapidLoss", threshold: "0.03", window: "15m", cooldown: "1h", action: "Halt" },
    { type: "Drawdown", threshold: "0.20", action: "Flatten" },
    { type: "ConsecutiveLosses", threshold: 5, cooldown: "30m", action: "Reduce" },
    { type: "VolatilitySpike", threshold: "2.5", window: "1h" },
    { type: "VenueStale", window: "2m" },
    { type: "PriceDeviation", threshold: "0.01", window: "2m" },
  ],
};

const accepts = (name: string, changes: Record<string, unknown>, base: object = minimal) => ({
  name,
  manifest: manifestOf("RiskPolicy", withFields(base as Record<string, unknown>, changes)),
});
interface Refusal {
  readonly field: string;
  readonly says?: string;
  readonly base?: object;
}
const rejects = (name: string, changes: Record<string, unknown>, { base = minimal, ...refusal }: Refusal) => ({
  ...accepts(name, changes, base),
  ...refusal,
});
const breaker = (fields: Record<string, unknown>) => ({ circuitBreakers: [fields] });
const decimalText = "must be a decimal number as text";

export const riskPolicyExamples: Examples = {
  kind: "RiskPolicy",
  accept: [
    accepts("the least that can be said", {}),
    accepts("every field", {}, full),
    accepts("halted", { trading: "Halted" }),
    accepts("fixed fractions", { sizing: { method: "FixedFraction", fractionRatio: "0.1" } }),
    accepts("a wallet checked by an oracle", { accounts: [{ name: "x", solana, referencePrice: { pyth } }] }),
    accepts("a paper account checked by an exchange", { "accounts[0].referencePrice": { ccxt: { exchange: "okx" } } }),
    accepts("no fee", { "accounts[0].paper.feeBps": 0 }),
  ],
  reject: [
    {
      name: "a name of 41 characters",
      manifest: manifestOf("RiskPolicy", minimal, "p".repeat(41)),
      field: "",
      says: "metadata.name must be at most 40",
    },
    rejects("no base currency", { baseCurrency: undefined }, { field: "baseCurrency" }),
    rejects(
      "a base currency in small letters",
      { baseCurrency: "usdt" },
      { field: "baseCurrency", says: "must be the code of a currency in capitals" },
    ),
    rejects("an unknown trading state", { trading: "Paused" }, { field: "trading" }),
    rejects("no account", { accounts: [] }, { field: "accounts" }),
    rejects("two accounts of one name", { accounts: [minimal.accounts[0], minimal.accounts[0]] }, { field: "accounts" }),
    rejects(
      "an account of no kind",
      { accounts: [{ name: "main" }] },
      { field: "accounts[0]", says: "exactly one of paper, ccxt, solana must be set" },
    ),
    rejects(
      "an account of two kinds",
      { "accounts[0].solana": solana },
      { field: "accounts[0]", says: "exactly one of paper, ccxt, solana must be set" },
    ),
    rejects("a paper account without balances", { "accounts[0].paper.balances": [] }, { field: "balances" }),
    rejects(
      "an asset twice",
      {
        "accounts[0].paper.balances": [
          { asset: "USDT", amount: "1" },
          { asset: "USDT", amount: "2" },
        ],
      },
      { field: "balances" },
    ),
    rejects(
      "a market without a source",
      { "accounts[0].paper.market": {} },
      { field: "market", says: "exactly one of replay, ccxt must be set" },
    ),
    rejects(
      "a negative fee",
      { "accounts[0].paper.feeBps": -1 },
      { field: "feeBps", says: "must be a number between 0 and 1000" },
    ),
    rejects(
      "a fee in percent",
      { "accounts[0].paper.feeBps": "0.1%" },
      { field: "feeBps", says: "must be a number between 0 and 1000" },
    ),
    rejects(
      "more slippage than a tenth",
      { "accounts[0].paper.slippageBps": "1000.5" },
      { field: "slippageBps", says: "must be a number between 0 and 1000" },
    ),
    rejects(
      "speed 0",
      { "accounts[0].paper.market.replay.speed": 0 },
      { field: "speed", says: "must be a whole number between 1 and 3600" },
    ),
    rejects(
      "an exchange in capitals",
      { "accounts[0].paper.market": { ccxt: { exchange: "Binance" } } },
      { field: "exchange", says: "must be the id of a ccxt exchange" },
    ),
    rejects(
      "a password in an address",
      { "accounts[0].paper.market": { ccxt: { exchange: "binance", baseUrl: "https://me:secret@example.com" } } },
      { field: "baseUrl", says: "without user, password" },
    ),
    rejects(
      "an address without scheme",
      { "accounts[0].paper.market": { ccxt: { exchange: "binance", baseUrl: "localhost:80" } } },
      { field: "baseUrl", says: "must be an http or https address" },
    ),
    rejects(
      "an exchange account without credentials",
      { accounts: [{ name: "x", ccxt: { exchange: "kraken" } }] },
      { field: "credentialsSecretRef" },
    ),
    rejects(
      "credentials in the manifest",
      { accounts: [{ name: "x", ccxt: { exchange: "kraken", credentialsSecretRef: { name: "k" }, apiKey: "abc" } }] },
      { field: "apiKey" },
    ),
    rejects("no RPC endpoint", { accounts: [{ name: "x", solana: { ...solana, rpcUrls: [] } }] }, { field: "rpcUrls" }),
    rejects(
      "an RPC endpoint twice",
      { accounts: [{ name: "x", solana: { ...solana, rpcUrls: ["https://a.example", "https://a.example"] } }] },
      { field: "rpcUrls" },
    ),
    rejects(
      "a program that is no address",
      { accounts: [{ name: "x", solana: { ...solana, programAllowList: ["0xabc"] } }] },
      { field: "programAllowList", says: "must be a Solana address" },
    ),
    rejects(
      "a budget of fees below one transaction's",
      { accounts: [{ name: "x", solana: { ...solana, dailyFeeLamports: 4_999 } }] },
      { field: "dailyFeeLamports", says: "must be a whole number between 5000 and 1000000000000" },
    ),
    rejects(
      "a second source of no kind",
      { "accounts[0].referencePrice": {} },
      { field: "referencePrice", says: "exactly one of ccxt, pyth must be set" },
    ),
    rejects(
      "two second sources",
      { accounts: [{ name: "x", solana, referencePrice: { pyth, ccxt: { exchange: "kraken" } } }] },
      { field: "referencePrice", says: "exactly one of ccxt, pyth must be set" },
    ),
    rejects(
      "an oracle on a chain without a wallet there",
      { "accounts[0].referencePrice": { pyth } },
      { field: "referencePrice", says: "only a solana account has them" },
    ),
    rejects(
      "an oracle without accounts",
      { accounts: [{ name: "x", solana, referencePrice: { pyth: { accounts: [] } } }] },
      { field: "accounts" },
    ),
    rejects(
      "an oracle's account that is no address",
      { accounts: [{ name: "x", solana, referencePrice: { pyth: { accounts: [{ market: "SOL/USDC", address: "0xabc" }] } } }] },
      { field: "address", says: "must be a Solana address" },
    ),
    rejects(
      "two accounts of one market",
      {
        accounts: [{ name: "x", solana, referencePrice: { pyth: { accounts: [pyth.accounts[0], pyth.accounts[0]] } } }],
      },
      { field: "accounts" },
    ),
    rejects(
      "a cap of nothing",
      { "accounts[0].hardCaps": { maxOrderNotional: "0" } },
      { field: "maxOrderNotional", says: decimalText },
    ),
    rejects(
      "a position limit above 1",
      { limits: { maxPositionRatio: "1.5" } },
      { field: "maxPositionRatio", says: `${decimalText}, greater than 0 and at most 1` },
    ),
    rejects("a position limit as a number", { limits: { maxPositionRatio: 0.2 } }, { field: "maxPositionRatio" }),
    rejects(
      "a position limit in words",
      { limits: { maxPositionRatio: "a fifth" } },
      { field: "maxPositionRatio", says: decimalText },
    ),
    rejects("an exponent", { limits: { maxOrderNotional: "1e5" } }, { field: "maxOrderNotional", says: decimalText }),
    rejects(
      "no open orders",
      { limits: { maxOpenOrders: 0 } },
      { field: "maxOpenOrders", says: "must be a whole number between 1 and 1000" },
    ),
    rejects("an unknown limit", { limits: { maxLeverage: "3" } }, { field: "maxLeverage" }),
    rejects(
      "a lookback of one bar",
      { sizing: { lookbackBars: 1 } },
      { field: "lookbackBars", says: "must be a whole number between 2 and 5000" },
    ),
    rejects("an unknown method", { sizing: { method: "Kelly" } }, { field: "method" }),
    rejects("a spike of less than usual", { gas: { spikeMultiple: "0.5" } }, { field: "spikeMultiple", says: decimalText }),
    rejects(
      "a transaction below the base fee",
      { gas: { maxFeeLamportsPerTransaction: 10 } },
      { field: "maxFeeLamportsPerTransaction", says: "must be a whole number between 5000" },
    ),
    rejects("a webhook's URL in the object", { alerts: { webhookUrl: "https://hooks.example.com/x" } }, { field: "webhookUrl" }),
    rejects("a webhook without a key", { alerts: { webhookUrlSecretRef: { name: "alerts" } } }, { field: "key" }),
    rejects("a breaker twice", { circuitBreakers: [{ type: "Drawdown" }, { type: "Drawdown" }] }, { field: "circuitBreakers" }),
    rejects("an unknown breaker", breaker({ type: "FullMoon" }), { field: "type" }),
    rejects("a drawdown above 1", breaker({ type: "Drawdown", threshold: "20" }), {
      field: "threshold",
      says: "threshold must be greater than 0 and at most 1",
    }),
    rejects("a drawdown of 0", breaker({ type: "Drawdown", threshold: "0.0" }), {
      field: "threshold",
      says: "threshold must be greater than 0 and at most 1",
    }),
    rejects("two and a half losses", breaker({ type: "ConsecutiveLosses", threshold: "2.5" }), {
      field: "threshold",
      says: "threshold must be a whole number between 1 and 1000",
    }),
    rejects("a spike of 1", breaker({ type: "VolatilitySpike", threshold: 1 }), {
      field: "threshold",
      says: "threshold must be a multiple greater than 1",
    }),
    rejects("a threshold for staleness", breaker({ type: "VenueStale", threshold: "5" }), {
      field: "threshold",
      says: "VenueStale has no threshold",
    }),
    rejects("a window of nothing", breaker({ type: "RapidLoss", window: "0s" }), {
      field: "window",
      says: "must be a duration between 1s and 168h",
    }),
  ],
};
