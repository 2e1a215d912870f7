import { z } from "zod";
import { conditions, priority, statusNumber, statusText, statusTime } from "./schema/condition.ts";
import type { CustomResource, ResourceNames } from "./custom-resource.ts";
import { dataset } from "./schema/dataset.ts";
import { configMapKeyReference, ownName, ownReference } from "./schema/references.ts";
import { exactlyOneOf, withRule, withRules } from "./schema/rule.ts";
import {
  amount,
  asset,
  cron,
  dnsLabel,
  duration,
  instant,
  intOrString,
  listMap,
  map,
  marketSymbol,
  memoryQuantity,
  ratio,
  seed,
  text,
  timeZone,
  timeframe,
  wholeNumber,
} from "./schema/scalars.ts";

export const STRATEGY: ResourceNames<"Strategy"> = {
  kind: "Strategy",
  plural: "strategies",
  singular: "strategy",
  shortNames: ["strat"],
};

const riskPolicyReference = z.strictObject({
  name: ownName.describe("Name of the RiskPolicy, in the same namespace."),
  account: ownName.describe("Name of one of its accounts."),
});

const market = z.strictObject({
  symbol: marketSymbol.describe("Market in ccxt's form (`BTC/USDT`), or a pair of Solana mints."),
  timeframe: timeframe.describe("Length of a bar."),
});

const schedule = withRules(
  z.strictObject({
    onBar: z
      .boolean()
      .optional()
      .describe("Decide at the close of every bar. The default when neither `every` nor `cron` is set."),
    every: duration("1s", "168h").optional().describe("Decide at a fixed interval."),
    cron: cron.optional().describe("Decide at the times of a cron expression, in `timeZone`."),
    timeZone: timeZone.optional().describe("Time zone of `cron`. Default UTC."),
    warmupBars: wholeNumber(0, 5000)
      .optional()
      .describe("Bars loaded before the first decision, without orders. Default 200, in a backtest 0."),
  }),
  [
    {
      check: (value) => [value.onBar === true, value.every !== undefined, value.cron !== undefined].filter(Boolean).length <= 1,
      cel: "(has(self.onBar) && self.onBar ? 1 : 0) + (has(self.every) ? 1 : 0) + (has(self.cron) ? 1 : 0) <= 1",
      message: "at most one of onBar: true, every, cron may be set",
    },
    {
      check: (value) => value.onBar !== false || value.every !== undefined || value.cron !== undefined,
      cel: "!has(self.onBar) || self.onBar || has(self.every) || has(self.cron)",
      message: "onBar: false needs every or cron beside it, otherwise nothing would ever be decided",
      member: "onBar",
    },
  ],
);

export const BUILTIN_PROGRAMS = ["momentum", "mean-reversion", "breakout", "grid", "dca", "llm-analyst"] as const;
export type BuiltinProgram = (typeof BUILTIN_PROGRAMS)[number];

const parameters = map(
  {
    pattern: /^[A-Za-z][A-Za-z0-9_]*$/,
    max: 40,
    message: "parameter names are at most 40 letters, digits and underscores, starting with a letter",
  },
  intOrString(200),
  32,
);

const program = exactlyOneOf(
  z.strictObject({
    builtin: z
      .strictObject({
        name: z.enum(BUILTIN_PROGRAMS).describe("Which of the built-in programs."),
        parameters: parameters
          .optional()
          .describe('Its parameters: whole numbers, or text for anything else, such as "0.02" (see the guide of the program).'),
      })
      .optional()
      .describe("A program that comes with Bellwether."),
    source: z
      .strictObject({
        configMapRef: configMapKeyReference.describe("A TypeScript module using `defineStrategy` from `@bellwether/agent`."),
        parameters: parameters
          .optional()
          .describe("Overrides of the parameters that the module defines: whole numbers, or text."),
      })
      .optional()
      .describe("A program of your own."),
  }),
  ["builtin", "source"],
);

const resources = z.strictObject({
  cpus: wholeNumber(1, 128).optional().describe("CPU cores. Default 1."),
  memory: memoryQuantity.optional().describe("Memory of the agent. Default 256Mi."),
  pinning: z
    .enum(["Exclusive", "Shared"])
    .optional()
    .describe("Exclusive: whole cores of its own (default). Shared: requests 50m, limited to `cpus` (default for Backtest)."),
});

export const ALERT_METRICS = ["pnlRatio", "drawdownRatio", "equity", "decisionLatency", "barAge"] as const;

const alert = withRules(
  z.strictObject({
    name: dnsLabel(40).describe("Name of the alert."),
    metric: z
      .enum(ALERT_METRICS)
      .describe(
        "What is watched. `pnlRatio` and `equity` alert below the threshold, `drawdownRatio`, `decisionLatency` and `barAge` above it.",
      ),
    threshold: text({
      pattern: /^(-?\d{1,24}(\.\d{1,18})?|(\d{1,6}h)?(\d{1,7}m)?(\d{1,8}s)?(\d{1,9}ms)?)$/,
      max: 44,
      message: 'must be a decimal number as text, such as "-0.05", or for decisionLatency and barAge a duration, such as 5s',
    }).describe("A decimal as text; for `decisionLatency` and `barAge` a duration."),
  }),
  [
    {
      check: (value) => ["decisionLatency", "barAge"].includes(value.metric) === /[a-z]/.test(value.threshold),
      cel: "(self.metric in ['decisionLatency', 'barAge']) == self.threshold.matches('[a-z]')",
      message: "threshold must be a duration for decisionLatency and barAge, and a decimal number for the other metrics",
      member: "threshold",
    },
  ],
);

const startingBalance = z.strictObject({
  asset: asset.describe("Code of the asset."),
  amount: amount.describe("How much of it."),
});

const backtest = withRule(
  z.strictObject({
    dataset: dataset.describe("Where the bars come from."),
    from: instant.optional().describe("First bar to decide on. Default: the first of the dataset."),
    to: instant.optional().describe("End, exclusive. Default: after the last bar of the dataset."),
    seed: seed.optional().describe("Seed of `context.random()`. Default 1."),
    startingBalances: listMap(startingBalance, ["asset"], 16)
      .optional()
      .describe("What the account holds at the start. Default: the balances of the paper account that `riskPolicyRef` names."),
  }),
  {
    check: (value) => value.from === undefined || value.to === undefined || value.from < value.to,
    cel: "!has(self.from) || !has(self.to) || self.from < self.to",
    message: "from must be before to",
    member: "from",
  },
);

export const strategySpec = withRules(
  z.strictObject({
    mode: z
      .enum(["Paper", "Live", "Backtest"])
      .optional()
      .describe(
        "Paper (default) needs a paper account; Live one that is not, and `acknowledgeLive: true`; Backtest runs once over past bars.",
      ),
    acknowledgeLive: z.boolean().optional().describe("Live only: yes, this trades with real money."),
    suspend: z.boolean().optional().describe("true: the pod is stopped, working orders are cancelled, positions stay."),
    onDelete: z
      .enum(["Keep", "Flatten"])
      .optional()
      .describe("What becomes of positions when the strategy is deleted: kept (default) or sold."),
    riskPolicyRef: riskPolicyReference.describe("Which limits and which account."),
    llmRouteRef: ownReference.optional().describe("The LLM route, for programs that ask a model."),
    markets: listMap(market, ["symbol", "timeframe"], 16)
      .min(1)
      .describe("What the program sees and trades, in the order it decides on them."),
    schedule: schedule.optional().describe("When the program decides. Default: at the close of every bar."),
    program: program.describe("What decides."),
    resources: resources.optional().describe("Cores and memory of the agent."),
    capital: z
      .strictObject({ shareRatio: ratio.describe("Part of the account's equity.") })
      .optional()
      .describe("How much of the account this strategy may use. Default: an equal part of what no other strategy claims."),
    priority: priority.optional().describe("Who gets cores first, 0 to 1000. Default 500."),
    alerts: listMap(alert, ["name"], 16).optional().describe("What to raise an event about."),
    backtest: backtest.optional().describe("For `mode: Backtest`."),
  }),
  [
    {
      check: (spec) => spec.mode !== "Live" || spec.acknowledgeLive === true,
      cel: "!has(self.mode) || self.mode != 'Live' || (has(self.acknowledgeLive) && self.acknowledgeLive)",
      message: "mode Live trades with real money and needs acknowledgeLive: true",
      member: "acknowledgeLive",
    },
    {
      check: (spec) => spec.mode !== "Backtest" || spec.backtest !== undefined,
      cel: "!has(self.mode) || self.mode != 'Backtest' || has(self.backtest)",
      message: "mode Backtest needs backtest with a dataset",
      member: "backtest",
    },
    {
      check: (spec) => spec.program.builtin?.name !== "llm-analyst" || spec.llmRouteRef !== undefined,
      cel: "!has(self.program.builtin) || self.program.builtin.name != 'llm-analyst' || has(self.llmRouteRef)",
      message: "the program llm-analyst needs llmRouteRef",
      member: "llmRouteRef",
    },
  ],
);
export type StrategySpec = z.infer<typeof strategySpec>;

export const STRATEGY_PHASES = ["Pending", "Queued", "Starting", "Running", "Paused", "Completed", "Failed"] as const;

const pnl = z.strictObject({
  realized: statusText().describe("Closed profit and loss, fees included."),
  unrealized: statusText().describe("Profit and loss of open positions at the last close."),
  total: statusText().describe("Both together."),
  ratio: statusText().describe("Total over the starting capital."),
});

const positionStatus = z.strictObject({
  market: statusText().describe("Market of the position."),
  quantity: statusText().describe("How much of the base asset is held."),
  averagePrice: statusText().optional().describe("Average price paid."),
  markPrice: statusText().optional().describe("Last close."),
  notional: statusText().optional().describe("Value at the last close, in the policy's base currency."),
  unrealizedPnl: statusText().optional().describe("Profit and loss if sold at the last close, before fees."),
});

const backtestStatus = z.strictObject({
  bars: statusNumber().describe("Bars processed."),
  trades: statusNumber().describe("Completed round trips."),
  pnlRatio: statusText().describe("Final over starting equity, minus 1."),
  maxDrawdownRatio: statusText().describe("Deepest fall of equity from its peak, as a share of the peak."),
  sharpe: statusText().describe("Sharpe ratio over 365 days, risk-free rate 0."),
  finalEquity: statusText().describe("Equity after the last bar, open positions marked at its close."),
  fees: statusText().describe("All fees paid."),
  logSha256: statusText().describe("Digest of the decision log: same spec, data and seed give the same."),
});

export const strategyStatus = z.strictObject({
  observedGeneration: statusNumber().optional().describe("The generation of the spec that this status speaks of."),
  phase: z.enum(STRATEGY_PHASES).optional().describe("Where the strategy is in its life."),
  conditions: conditions.optional(),
  reason: statusText(64).optional().describe("Why it does not run or trade: the reason of the first condition that is not True."),
  mode: statusText(20).optional().describe("Effective mode."),
  schedule: statusText(200).optional().describe("Effective schedule, such as `onBar` or `every 60s`."),
  policy: statusText(63).optional().describe("Name of the RiskPolicy in use."),
  account: statusText(63).optional().describe("Name of the account in use."),
  priority: statusNumber().optional().describe("Effective priority."),
  shareRatio: statusText().optional().describe("Effective part of the account's equity."),
  resources: z
    .strictObject({
      cpus: statusNumber().describe("Cores."),
      memory: statusText(12).describe("Memory."),
      pinning: statusText(20).describe("Exclusive or Shared."),
    })
    .optional()
    .describe("Effective resources."),
  run: statusNumber().optional().describe("Rises when the account or the set of markets changes; part of every intent's id."),
  node: statusText(253).optional().describe("Node of the agent."),
  pod: statusText(253).optional().describe("Pod of the agent."),
  specHash: statusText(64).optional().describe("Digest of what the running or completed pod was made from."),
  cpus: statusText(200).optional().describe('Cores the kubelet gave the agent, such as "2-3".'),
  failures: statusNumber().optional().describe("Failures of the agent in a row."),
  lastFailureTime: statusTime().optional().describe("When the agent failed last."),
  queuedSince: statusTime().optional().describe("Since when it waits for cores."),
  equity: statusText().optional().describe("Equity of the strategy's sub-account, in the policy's base currency."),
  equityRounded: statusText(60).optional().describe("Equity with two digits, ready to print."),
  pnl: pnl.optional().describe("Profit and loss."),
  pnlPercent: statusText(40).optional().describe("Profit and loss in percent of the starting capital, ready to print."),
  positions: z.array(positionStatus).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional().describe("Open positions."),
  lastBarTime: statusTime().optional().describe("Opening time of the last bar seen (market time)."),
  lastDecisionTime: statusTime().optional().describe("Market time of the last decision."),
  decisions: statusNumber().optional().describe("Decisions taken."),
  backtest: backtestStatus.optional().describe("Result of the backtest."),
});
export type StrategyStatus = z.infer<typeof strategyStatus>;
export type StrategyPhase = (typeof STRATEGY_PHASES)[number];

export type Strategy = CustomResource<"Strategy", StrategySpec, StrategyStatus>;
