import { z } from "zod";
import { conditions, statusNumber, statusText, statusTime } from "./schema/condition.ts";
import type { CustomResource, ResourceNames } from "./custom-resource.ts";
import { dataset, exchangeData } from "./schema/dataset.ts";
import { ownName, secretKeyReference, secretReference } from "./schema/references.ts";
import { exactlyOneOf, withRule, withRules, withServerRule } from "./schema/rule.ts";
import {
  amount,
  asset,
  duration,
  exchange,
  listMap,
  listSet,
  marketSymbol,
  multiple,
  numberOrDecimal,
  positiveDecimal,
  ratio,
  text,
  url,
  wholeNumber,
} from "./schema/scalars.ts";

export const RISK_POLICY: ResourceNames<"RiskPolicy"> = {
  kind: "RiskPolicy",
  plural: "riskpolicies",
  singular: "riskpolicy",
  shortNames: ["rpol"],
};

const replay = z.strictObject({
  dataset: dataset.describe("Where the bars come from."),
  speed: wholeNumber(1, 3600).optional().describe("How many times faster than the wall clock. Default 1."),
});

const paperMarket = exactlyOneOf(
  z.strictObject({
    replay: replay.optional().describe("Past or generated bars, played as if they happened now."),
    ccxt: exchangeData.optional().describe("Public market data of a real exchange."),
  }),
  ["replay", "ccxt"],
);

const balance = z.strictObject({
  asset: asset.describe("Code of the asset."),
  amount: amount.describe("How much the account starts with."),
});

/** Basis points: hundredths of a percent. */
const basisPoints = numberOrDecimal(0, 1000);

const paperAccount = z.strictObject({
  balances: listMap(balance, ["asset"], 16).min(1).describe("What the account holds at its start."),
  feeBps: basisPoints.optional().describe('Fee of every fill in basis points; fractions as text ("7.5"). Default 10.'),
  slippageBps: basisPoints
    .optional()
    .describe("How much worse than the bar's price market orders fill, in basis points. Default 5."),
  volumeShareRatio: ratio
    .optional()
    .describe('Most of a bar\'s volume that may fill in it; the rest waits for the next bar. Default "0.10".'),
  market: paperMarket.describe("Where prices come from."),
});

const ccxtAccount = z.strictObject({
  exchange: exchange.describe("Id of the exchange in ccxt. Live trading only on exchanges of the tested list."),
  sandbox: z.boolean().optional().describe("Use the exchange's test network."),
  baseUrl: url.optional().describe("Address to use instead of the exchange's own."),
  credentialsSecretRef: secretReference.describe(
    "Secret with the keys `apiKey`, `secret` and, where the exchange wants one, `password`.",
  ),
});

const solanaAddress = text({
  pattern: /^[1-9A-HJ-NP-Za-km-z]{32,44}$/,
  max: 44,
  message: "must be a Solana address (base58, 32 to 44 characters)",
});

const solanaToken = z.strictObject({
  asset: asset.describe("Code of the asset, as in the symbols of markets."),
  mint: solanaAddress.describe("Its mint; SOL stands under the mint of its wrapped form."),
  decimals: wholeNumber(0, 18).describe("Decimals of the mint."),
});

const swap = z.strictObject({
  baseUrl: url.optional().describe("Address of a service that quotes and builds swaps as Jupiter does. Default: Jupiter's own."),
  slippageBps: wholeNumber(1, 1000)
    .optional()
    .describe("Most that a swap may bring less than quoted, in basis points. Default 50."),
  maxDeviationBps: wholeNumber(1, 2000)
    .optional()
    .describe("How much worse than the market's last price a swap may be, in basis points. Default 200."),
});

const solanaAccount = z.strictObject({
  rpcUrls: listSet(url, 8).min(1).describe("RPC endpoints. Two or more let one be judged by the other."),
  keypairSecretRef: secretReference.describe("Secret with the key `keypair` (a JSON array of 64 bytes)."),
  programAllowList: listSet(solanaAddress, 64).min(1).describe("Programs that a transaction may call."),
  genesisHash: solanaAddress.describe("Genesis hash of the cluster; checked at start."),
  tokens: listMap(solanaToken, ["asset"], 64)
    .min(2)
    .optional()
    .describe("What the wallet trades in. Default SOL, USDC and USDT of mainnet."),
  destinations: listSet(solanaAddress, 64)
    .optional()
    .describe("Foreign accounts that a transaction may pay directly, such as a maker that signs swaps. Default none."),
  swap: swap.optional().describe("Who quotes and builds swaps, and what they may cost."),
  dailyFeeLamports: wholeNumber(5000, 1_000_000_000_000)
    .optional()
    .describe(
      "Most fees of a UTC day, in lamports, held by the broker itself whatever risk approves. Default 50000000, 0.05 SOL; at most 1000 SOL.",
    ),
  market: paperMarket.optional().describe("Where bars and the last price come from. Default: Binance's public market data."),
});

const pythAccount = z.strictObject({
  market: marketSymbol.describe("The market it is compared with. Pyth quotes in US dollars: SOL/USD's account for SOL/USDC."),
  address: solanaAddress.describe("The price feed account."),
});

const pyth = z.strictObject({
  accounts: listMap(pythAccount, ["market"], 64).min(1).describe("Where each market's price stands."),
  maxAge: duration("1s", "1h").optional().describe("How old a price may be. Default 60s."),
  maxConfidenceRatio: ratio
    .optional()
    .describe('How unsure a price may be: the most that its confidence interval may be of it. Default "0.01".'),
});

const referencePrice = exactlyOneOf(
  z.strictObject({
    ccxt: exchangeData.optional().describe("Public market data of a second exchange: the same markets, minute by minute."),
    pyth: pyth.optional().describe("Price accounts of Pyth on the chain of the wallet, read through its own RPC endpoints."),
  }),
  ["ccxt", "pyth"],
);

const accountKind = exactlyOneOf(
  z.strictObject({
    name: ownName.describe("Name of the account; strategies refer to it."),
    paper: paperAccount.optional().describe("Simulated trading."),
    ccxt: ccxtAccount.optional().describe("An account at an exchange."),
    solana: solanaAccount.optional().describe("A Solana wallet."),
    hardCaps: z
      .strictObject({
        maxOrderNotional: positiveDecimal.optional().describe("Most that one order may be worth."),
        maxDailyNotional: positiveDecimal.optional().describe("Most that all orders of a UTC day may be worth together."),
      })
      .optional()
      .describe("Caps that the broker holds by itself, whatever risk approves. In the policy's base currency."),
    referencePrice: referencePrice
      .optional()
      .describe(
        "A second source of prices, to check the first by: the breaker `PriceDeviation` says how far they may be apart. A price that is not there stops nothing.",
      ),
  }),
  ["paper", "ccxt", "solana"],
);
const account = withRule(accountKind, {
  check: ({ referencePrice: source, solana }) => source?.pyth === undefined || solana !== undefined,
  cel: "!has(self.referencePrice) || !has(self.referencePrice.pyth) || has(self.solana)",
  message: "referencePrice.pyth is read through a wallet's RPC endpoints: only a solana account has them",
  member: "referencePrice",
});
export type RiskAccount = z.infer<typeof account>;

const limits = z.strictObject({
  maxPositionRatio: ratio.optional().describe('Most of the account\'s equity in one market. Default "0.20".'),
  maxTokenConcentrationRatio: ratio
    .optional()
    .describe('Most of the policy\'s equity in one asset, over all accounts. Default "0.50".'),
  maxOrderNotional: positiveDecimal
    .optional()
    .describe('Most that one order may be worth, in the base currency. Default "10000".'),
  maxOpenOrders: wholeNumber(1, 1000).optional().describe("Most working orders of one account. Default 20."),
  maxOrdersPerMinute: wholeNumber(1, 6000).optional().describe("Most new orders of one account in a minute. Default 60."),
  maxDailyLossRatio: ratio.optional().describe('Most that may be lost in a UTC day, marked to market. Default "0.05".'),
  maxDrawdownRatio: ratio.optional().describe('Deepest fall from the peak of equity. Default "0.20".'),
});

const sizing = z.strictObject({
  method: z
    .enum(["VolatilityTarget", "FixedFraction"])
    .optional()
    .describe("How entries are sized. Without `sizing` an intent's own size is taken as it is."),
  targetVolatilityRatio: ratio.optional().describe('VolatilityTarget: yearly volatility aimed at. Default "0.20".'),
  fractionRatio: ratio.optional().describe('FixedFraction: part of the equity per entry. Default "0.10".'),
  lookbackBars: wholeNumber(2, 5000).optional().describe("Bars that volatility is measured over. Default 100."),
});

const gas = z.strictObject({
  maxGasPriceGwei: positiveDecimal.optional().describe('Highest gas price, in gwei. Default "100".'),
  maxPriorityFeeMicroLamports: wholeNumber(0, 1_000_000_000_000)
    .optional()
    .describe("Highest priority fee per compute unit, in micro-lamports."),
  maxFeeLamportsPerTransaction: wholeNumber(5000, 1_000_000_000_000)
    .optional()
    .describe("Highest fee of one transaction, in lamports."),
  dailyFeeBudget: positiveDecimal.optional().describe("Most fees of a UTC day, in the base currency."),
  spikeMultiple: multiple.optional().describe('How many times the rolling percentile counts as a spike. Default "3".'),
});

export const BREAKER_TYPES = [
  "RapidLoss",
  "Drawdown",
  "ConsecutiveLosses",
  "VolatilitySpike",
  "GasSpike",
  "VenueStale",
  "RejectRate",
  "PriceDeviation",
] as const;
export type BreakerType = (typeof BREAKER_TYPES)[number];
const RATIO_BREAKERS: readonly BreakerType[] = ["RapidLoss", "Drawdown", "RejectRate", "PriceDeviation"];
const MULTIPLE_BREAKERS: readonly BreakerType[] = ["VolatilitySpike", "GasSpike"];
const celList = (values: readonly string[]): string => `[${values.map((value) => `'${value}'`).join(", ")}]`;

const breaker = withRules(
  z.strictObject({
    type: z.enum(BREAKER_TYPES).describe("What it watches."),
    threshold: numberOrDecimal(0, 1000)
      .optional()
      .describe(
        "When it trips: a ratio above 0 and at most 1 (RapidLoss, Drawdown, RejectRate, PriceDeviation), a multiple of the usual above 1 (VolatilitySpike, GasSpike), " +
          "a whole number (ConsecutiveLosses). VenueStale has none: it trips after `window` without a fresh price.",
      ),
    window: duration("1s", "168h").optional().describe("How far back it looks."),
    cooldown: duration("0s", "720h").optional().describe("How long it stays tripped. Drawdown is re-armed by a person only."),
    action: z
      .enum(["Halt", "Reduce", "Flatten"])
      .optional()
      .describe(
        "What it does. Default Flatten for RapidLoss and Drawdown, Reduce for ConsecutiveLosses and VolatilitySpike, Halt for the others.",
      ),
  }),
  [
    {
      check: (value) =>
        value.threshold === undefined ||
        !RATIO_BREAKERS.includes(value.type) ||
        (Number(value.threshold) > 0 && Number(value.threshold) <= 1),
      cel: `!has(self.threshold) || !(self.type in ${celList(RATIO_BREAKERS)}) || (double(string(self.threshold)) > 0.0 && double(string(self.threshold)) <= 1.0)`,
      message:
        'threshold must be greater than 0 and at most 1 for RapidLoss, Drawdown, RejectRate and PriceDeviation, such as "0.05"',
      member: "threshold",
    },
    {
      check: (value) => value.threshold === undefined || !MULTIPLE_BREAKERS.includes(value.type) || Number(value.threshold) > 1,
      cel: `!has(self.threshold) || !(self.type in ${celList(MULTIPLE_BREAKERS)}) || double(string(self.threshold)) > 1.0`,
      message: 'threshold must be a multiple greater than 1 and at most 1000 for VolatilitySpike and GasSpike, such as "3"',
      member: "threshold",
    },
    {
      check: (value) =>
        value.threshold === undefined || value.type !== "ConsecutiveLosses" || /^[1-9]\d{0,3}$/.test(String(value.threshold)),
      cel: "!has(self.threshold) || self.type != 'ConsecutiveLosses' || string(self.threshold).matches('^[1-9][0-9]{0,3}$')",
      message: "threshold must be a whole number between 1 and 1000 for ConsecutiveLosses",
      member: "threshold",
    },
    {
      check: (value) => value.threshold === undefined || value.type !== "VenueStale",
      cel: "!has(self.threshold) || self.type != 'VenueStale'",
      message: "VenueStale has no threshold: set window, the time without a fresh price",
      member: "threshold",
    },
  ],
);

const alerts = z.strictObject({
  webhookUrlSecretRef: secretKeyReference
    .optional()
    .describe(
      "Secret with the URL of a Slack-compatible webhook, on a port that the chart's `networkPolicies.webhookPorts` opens (443). A missing or wrong one holds up no trading: risk's health says what is wrong.",
    ),
});

const baseCurrency = withServerRule(
  text({ pattern: /^[A-Z][A-Z0-9]{1,9}$/, max: 10, message: "must be the code of a currency in capitals, such as USDT or EUR" }),
  {
    rule: "self == oldSelf",
    messageExpression: "'baseCurrency cannot be changed: make a new RiskPolicy; was ' + oldSelf + ', got ' + self",
  },
);

export const riskPolicySpec = z.strictObject({
  baseCurrency: baseCurrency.describe("The currency equity and limits are stated in. Cannot be changed."),
  trading: z
    .enum(["Active", "Reducing", "Halted"])
    .optional()
    .describe(
      "Active (default), Reducing (only orders that shrink a position) or Halted. The strictest of this field, the annotations `bellwether.dev/halt` and `bellwether.dev/reduce`, the journal and the breakers wins.",
    ),
  accounts: listMap(account, ["name"], 16).min(1).describe("Where orders go. One broker pod each."),
  limits: limits.optional().describe("What no order may breach. Omitted ones have safe defaults, shown in status."),
  sizing: sizing.optional().describe("How large entries become. Exits are never shrunk."),
  gas: gas.optional().describe("Limits of transaction fees on chains."),
  circuitBreakers: listMap(breaker, ["type"], 8)
    .optional()
    .describe(
      "What stops trading by itself, see docs/risk.md. Without this field RapidLoss and Drawdown with their defaults; an empty list takes them off.",
    ),
  alerts: alerts.optional().describe("Who is told of what happens, besides Kubernetes events and metrics."),
});
export type RiskPolicySpec = z.infer<typeof riskPolicySpec>;

const effectiveLimitsStatus = z.strictObject({
  maxPositionRatio: statusText().optional().describe("Effective value."),
  maxTokenConcentrationRatio: statusText().optional().describe("Effective value."),
  maxOrderNotional: statusText().optional().describe("Effective value."),
  maxOpenOrders: statusNumber().optional().describe("Effective value."),
  maxOrdersPerMinute: statusNumber().optional().describe("Effective value."),
  maxDailyLossRatio: statusText().optional().describe("Effective value."),
  maxDrawdownRatio: statusText().optional().describe("Effective value."),
});

const atomic = { "x-kubernetes-list-type": "atomic" };

export const riskPolicyStatus = z.strictObject({
  observedGeneration: statusNumber().optional().describe("The generation of the spec that this status speaks of."),
  conditions: conditions.optional(),
  state: z.enum(["Active", "Reducing", "Halted"]).optional().describe("What trading is allowed now."),
  reason: statusText(500).optional().describe("Why, in a sentence."),
  riskScore: statusNumber().optional().describe("0 (idle) to 100 (a limit is reached)."),
  equity: statusText().optional().describe("All accounts, marked to market, in the base currency."),
  equityRounded: statusText(60).optional().describe("Equity with two digits, ready to print."),
  drawdownRatio: statusText().optional().describe("Fall from the peak of equity."),
  drawdownPercent: statusText(40).optional().describe("The same in percent, ready to print."),
  tripped: statusText(200).optional().describe("Breakers tripped, of how many, such as 0/3, ready to print."),
  limits: effectiveLimitsStatus.optional().describe("Effective limits."),
  exposure: z
    .array(
      z.strictObject({
        asset: statusText().describe("Asset held or ordered."),
        notional: statusText().describe("Its value in the base currency, pending orders included."),
        ratio: statusText().describe("Its share of the equity."),
      }),
    )
    .max(100)
    .meta(atomic)
    .optional()
    .describe("What is at stake, by asset."),
  breakers: z
    .array(
      z.strictObject({
        type: statusText(40).describe("Type of the breaker."),
        scope: statusText(120)
          .optional()
          .describe("Where it looks at one account or strategy: the one whose figures these are, the worst of all."),
        state: z.enum(["Armed", "Tripped", "CoolingDown"]).describe("Whether it stops trading now."),
        since: statusTime().optional().describe("Since when."),
        until: statusTime().optional().describe("Until when."),
        value: statusText().optional().describe("What it measures now."),
        threshold: statusText().optional().describe("Where it trips."),
      }),
    )
    .max(8)
    .meta(atomic)
    .optional()
    .describe("Circuit breakers."),
  accounts: z
    .array(
      z.strictObject({
        name: statusText(40).describe("Name of the account."),
        ready: z.boolean().describe("Whether its broker and venue answer."),
        message: statusText(500).optional().describe("What is wrong, in a sentence."),
        equity: statusText().optional().describe("Its equity in the base currency."),
        lastReconciledTime: statusTime().optional().describe("When journal and venue were last compared."),
        drift: z
          .array(
            z.strictObject({
              asset: statusText().describe("Asset that differs."),
              journal: statusText().describe("What the journal says."),
              venue: statusText().describe("What the venue says."),
            }),
          )
          .max(100)
          .meta(atomic)
          .optional()
          .describe("Where journal and venue differ."),
      }),
    )
    .max(16)
    .meta(atomic)
    .optional()
    .describe("Accounts."),
});
export type RiskPolicyStatus = z.infer<typeof riskPolicyStatus>;

export type RiskPolicy = CustomResource<"RiskPolicy", RiskPolicySpec, RiskPolicyStatus>;
