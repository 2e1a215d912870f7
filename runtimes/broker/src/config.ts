import { z } from "zod";

/**
 * config.json of a broker pod: one account of one RiskPolicy. The operator renders it (type `BrokerConfigInput`), the broker parses it once.
 *
 * Money and basis points are decimal strings. What is not here is decided elsewhere: limits, the trading state and strategies are risk's;
 * the broker holds the hard caps by itself, so that a fault of risk is bounded, too.
 */

const path = z.string().min(1).max(500);
const port = z.int().min(0).max(65_535);
const symbol = z.string().min(1).max(100);
const timeframe = z.string().regex(/^[1-9]\d{0,3}[smhdw]$/, "must be a timeframe such as 1m, 5m, 1h or 1d");
const decimal = z
  .string()
  .regex(/^\d{1,24}(\.\d{1,18})?$/, "must be a decimal number such as 0.25, not negative and without exponent");
const positiveDecimal = decimal.refine((text) => /[1-9]/.test(text), "must be greater than 0");
/** Integers are taken as numbers, too, as people write them in manifests. */
const basisPoints = z
  .union([z.int().min(0).max(10_000).transform(String), decimal])
  .refine((text) => Number(text) < 10_000, "must be below 10000 (100 %)");

/** Where bars come from: a mounted CSV (gzip is recognised by its first bytes) or the generated demo market. The same shape as the agent's. */
const dataset = z.union([
  z.strictObject({ file: path }),
  z.strictObject({ synthetic: z.strictObject({ seed: z.int().min(0).max(2_147_483_647) }) }),
]);

const replayMarket = z.strictObject({
  dataset,
  /**
   * The one market a file holds. Absent: the file stands for the single symbol in `markets`. A synthetic dataset serves every spot symbol
   * and leaves this out; a perpetual's symbol is replayed as if it were spot.
   */
  symbol: symbol.optional(),
  volumeUnit: z.enum(["Base", "Quote"]).default("Base"),
  gaps: z.enum(["Refuse", "Skip"]).default("Refuse"),
  /** Market seconds per wall second. */
  speed: z.int().min(1).max(3600).default(1),
});

const ccxtMarket = z.strictObject({
  exchange: z.string().regex(/^[a-z][a-z0-9]{1,30}$/, "must be a ccxt exchange id such as binance"),
  /** Replaces the exchange's public REST address (tests, a local mirror). */
  baseUrl: z.url().max(300).optional(),
});

const paperAccount = z.strictObject({
  /** What the account holds at its very first start; afterwards only its own trades change it. */
  balances: z
    .array(z.strictObject({ asset: z.string().min(1).max(40), amount: decimal }))
    .min(1)
    .max(16)
    .refine((rows) => new Set(rows.map((row) => row.asset)).size === rows.length, "an asset may stand here once only"),
  feeBps: basisPoints.default("10"),
  slippageBps: basisPoints.default("5"),
  /** Part of a bar's base volume that may fill in it. */
  volumeShare: positiveDecimal.refine((text) => Number(text) <= 1, "must be at most 1").default("0.1"),
  market: z.union([z.strictObject({ replay: replayMarket }), z.strictObject({ ccxt: ccxtMarket })]),
});

/**
 * A mounted Secret, one file for each key. Never the environment, which is inherited, dumped and logged. An exchange wants `apiKey`, `secret` and
 * sometimes `password`; Solana wants `keypair`.
 */
const credentialsDirectory = path.default("/var/run/secrets/bellwether/venue");

const ccxtAccount = z.strictObject({
  exchange: ccxtMarket.shape.exchange,
  /** The exchange's test network. */
  sandbox: z.boolean().default(false),
  baseUrl: ccxtMarket.shape.baseUrl,
  credentialsDirectory,
});

const solanaAddress = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "must be a Solana address (base58, 32 to 44 characters)");
const solanaToken = z.strictObject({ asset: z.string().min(1).max(40), mint: solanaAddress, decimals: z.int().min(0).max(18) });
/** Of mainnet. SOL stands under the mint of its wrapped form. */
const mainnetTokens: z.input<typeof solanaToken>[] = [
  { asset: "SOL", mint: "So11111111111111111111111111111111111111112", decimals: 9 },
  { asset: "USDC", mint: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", decimals: 6 },
  { asset: "USDT", mint: "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", decimals: 6 },
];
const unique = (name: string): [(values: readonly string[]) => boolean, string] => [
  (values) => new Set(values).size === values.length,
  `${name} may stand here once only`,
];

const solanaAccount = z.strictObject({
  /** Two or more: one is judged by the other, and only two can prove that a transaction never landed. */
  rpcUrls: z
    .array(z.url().max(300))
    .min(1)
    .max(8)
    .refine(...unique("an address")),
  /** Of the cluster all of them must be of. */
  genesisHash: solanaAddress,
  /** Programs a transaction may call besides System, Token, Associated Token and Compute Budget, whose instructions are decoded one by one. */
  programAllowList: z.array(solanaAddress).max(64).default([]),
  /** Foreign addresses that may be paid directly, in SOL or into their token accounts: a maker that signs swaps, a treasury. */
  destinations: z.array(solanaAddress).max(64).default([]),
  tokens: z
    .array(solanaToken)
    .min(2)
    .max(64)
    .refine((rows) => new Set(rows.map((row) => row.asset)).size === rows.length, "an asset may stand here once only")
    .refine((rows) => new Set(rows.map((row) => row.mint)).size === rows.length, "a mint may stand here once only")
    .default(mainnetTokens),
  swap: z
    .strictObject({
      /** Serves `/swap/v1/quote` and `/swap/v1/swap`. */
      baseUrl: z.url().max(300).default("https://lite-api.jup.ag"),
      slippageBps: z.int().min(1).max(1_000).default(50),
      /** How much worse than the market's last price a swap may be. */
      maxDeviationBps: z.int().min(1).max(2_000).default(200),
    })
    .prefault({}),
  fees: z
    .strictObject({
      percentile: z.int().min(1).max(100).default(75),
      maxPriorityFeeMicroLamports: z.int().min(0).max(1_000_000_000_000).default(1_000_000),
      maxFeeLamportsPerTransaction: z.int().min(5_000).max(1_000_000_000_000).default(1_000_000),
      /** Of a UTC day. */
      dailyFeeLamports: z.int().min(5_000).max(1_000_000_000_000_000).default(50_000_000),
    })
    .prefault({}),
  maxComputeUnits: z.int().min(1_000).max(1_400_000).default(600_000),
  /** Most that one swap may lock in new token accounts: two of them. */
  maxRentLamports: z.int().min(0).max(1_000_000_000).default(4_100_000),
  /** Where bars and the last price come from. */
  market: paperAccount.shape.market.default({ ccxt: { exchange: "binance" } }),
  credentialsDirectory,
});

/** A second source of prices, to check the account's own by. What it does not tell stops nothing. */
const reference = z.union([
  /** The same markets at another exchange. */
  z.strictObject({ ccxt: ccxtMarket }),
  /** Price accounts of Pyth on the chain of the wallet, read through its own RPC sources. */
  z.strictObject({
    pyth: z.strictObject({
      accounts: z
        .array(z.strictObject({ market: symbol, address: solanaAddress }))
        .min(1)
        .max(64)
        .refine((rows) => new Set(rows.map((row) => row.market)).size === rows.length, "a market may stand here once only"),
      /** An older price is none. */
      maxAgeMs: z.int().min(1_000).max(3_600_000).default(60_000),
      /** A price that is less sure is none: the most that its confidence may be of it. */
      maxConfidenceRatio: positiveDecimal.refine((text) => Number(text) <= 1, "must be at most 1").default("0.01"),
    }),
  }),
]);

const account = z
  .strictObject({
    /** `accounts[].name` of the RiskPolicy. */
    name: z.string().min(1).max(40),
    paper: paperAccount.optional(),
    ccxt: ccxtAccount.optional(),
    solana: solanaAccount.optional(),
    reference: reference.optional(),
  })
  .refine(
    (value) => [value.paper, value.ccxt, value.solana].filter((kind) => kind !== undefined).length === 1,
    "must have exactly one of paper, ccxt and solana",
  )
  .refine(
    ({ solana, reference: source }) => source === undefined || !("pyth" in source) || solana !== undefined,
    "pyth is read through a wallet's RPC sources: only a solana account has them",
  );

const hardCaps = z.strictObject({ maxOrderNotional: positiveDecimal.optional(), maxDailyNotional: positiveDecimal.optional() });

export const brokerConfig = z.strictObject({
  policy: z.strictObject({
    uid: z.string().min(1).max(64),
    name: z.string().min(1).max(63),
    namespace: z.string().min(1).max(63),
  }),
  account,
  /** Bars announced on the stream, and for a `ccxt` market the ones kept up to date. Other timeframes of a known symbol can still be read. */
  markets: z.array(z.strictObject({ symbol, timeframe })).max(64).default([]),
  /** Held by the broker itself for every order that does not shrink a position; the day is UTC. */
  hardCaps: hardCaps.default({}),
  /** `system:serviceaccount:<namespace>:<name>` of the policy's risk: the only caller. */
  riskSubject: z.string().min(1).max(200),
  /** Wall milliseconds without a word from risk after which nothing that adds exposure is sent, until risk has read the account again. */
  riskSilenceMs: z.int().min(1_000).max(60_000).default(5_000),
  /** Wall milliseconds after which working entries are cancelled while risk is silent, or by the venue itself where it has a dead-man switch and the broker is gone. */
  deadManMs: z.int().min(10_000).max(600_000).default(60_000),
  audience: z.string().min(1).max(200).default("broker.bellwether.dev"),
  issuer: z.string().min(1).max(300),
  jwksFile: path.default("/etc/bellwether/jwks.json"),
  /** A file with the DSN of the role `bellwether_broker`. */
  dsnFile: path.default("/var/run/secrets/bellwether/postgres/broker-dsn"),
  /** A volume of its own: send log, the paper venue's log, the replay's start. Losing it is losing the paper account. */
  dataDirectory: path.default("/var/lib/bellwether"),
  apiPort: port.default(8080),
  healthPort: port.default(9090),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  /** Fail points leave their marker here (kill tests only; `BELLWETHER_FAIL_POINT`). */
  failPointDirectory: path.optional(),
});

export type BrokerConfig = z.output<typeof brokerConfig>;
/** What the operator writes: fields with a default may be left out. */
export type BrokerConfigInput = z.input<typeof brokerConfig>;
export type PaperAccountConfig = z.output<typeof paperAccount>;
export type ReplayMarketConfig = z.output<typeof replayMarket>;
export type CcxtMarketConfig = z.output<typeof ccxtMarket>;
export type CcxtAccountConfig = z.output<typeof ccxtAccount>;
export type PythReferenceConfig = Extract<z.output<typeof reference>, { pyth: unknown }>["pyth"];
export type SolanaAccountConfig = z.output<typeof solanaAccount>;

/** The configuration file of a broker pod as text; throws a ZodError when it would not be accepted. Key order is stable: equal input, equal bytes. */
export function renderBrokerConfig(input: BrokerConfigInput): string {
  return `${JSON.stringify(brokerConfig.parse(input), null, 2)}\n`;
}

/** `<policy uid>/<account name>`: the key of everything the broker stores, and the scope of its writer epoch. */
export function accountUid(config: Pick<BrokerConfig, "policy" | "account">): string {
  return `${config.policy.uid}/${config.account.name}`;
}
