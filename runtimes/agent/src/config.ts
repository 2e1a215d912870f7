import { Cron } from "croner";
import { breakerType } from "@bellwether/trading/wire";
import { z } from "zod";

/**
 * config.json of an agent pod. The operator renders it (type `AgentConfigInput`), the agent parses it once.
 *
 * Money, ratios and basis points are decimal strings; `…Ms` are wall milliseconds unless a comment says market time.
 */

const decimal = z
  .string()
  .regex(/^\d{1,24}(\.\d{1,18})?$/, "must be a decimal number such as 0.25, not negative and without exponent");
const timeframe = z.string().regex(/^[1-9]\d{0,3}[smhdw]$/, "must be a timeframe such as 1m, 5m, 1h or 1d");
const port = z.int().min(0).max(65_535);

const market = z.strictObject({ symbol: z.string().min(1).max(100), timeframe });

/** Why croner refuses a pattern or a zone, or undefined when it takes them. */
function cronFault(pattern: string, timeZone: string): string | undefined {
  try {
    // `nextRun` is what resolves the zone; the constructor alone accepts any text for it.
    new Cron(pattern, { timezone: timeZone, paused: true }).nextRun(new Date(0));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const cronSchedule = z
  .strictObject({ kind: z.literal("cron"), cron: z.string().min(1).max(100), timeZone: z.string().min(1).max(64).default("UTC") })
  .superRefine((value, context) => {
    const fault = cronFault(value.cron, value.timeZone);
    if (fault !== undefined)
      context.addIssue({ code: "custom", message: `must be a cron expression and an IANA time zone: ${fault}` });
  });

/** When the program is asked: once per closed bar, or at market times that need not be bar closes. */
const schedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("onBar") }),
  /** Market time between two decisions, counted from the epoch: 60 s is every full minute. */
  z.strictObject({
    kind: z.literal("every"),
    everyMs: z
      .int()
      .min(1000)
      .max(7 * 86_400_000),
  }),
  cronSchedule,
]);

const parameterValue = z.union([z.string().max(1000), z.number(), z.boolean()]);

/** Exactly one of a builtin's name and a mounted module. `name` is what messages call the module, for example `my-momentum/strategy.ts`. */
const program = z.union([
  z.strictObject({ builtin: z.string().min(1).max(40), parameters: z.record(z.string().max(60), parameterValue).default({}) }),
  z.strictObject({
    source: z.strictObject({ file: z.string().min(1).max(500), name: z.string().min(1).max(320) }),
    parameters: z.record(z.string().max(60), parameterValue).default({}),
  }),
]);

const limits = z.strictObject({
  /** Wall time one call of a source program may take (any callback; loading the module counts as one). */
  callTimeoutMs: z.int().min(10).max(600_000).default(5_000),
  /** V8 heap of the process a source program runs in. */
  memoryMiB: z.int().min(16).max(16_384).default(64),
});

/** Where bars come from: a mounted CSV (gzip is recognised by its first bytes) or the generated demo market. */
const dataset = z.union([
  z.strictObject({ file: z.string().min(1).max(500) }),
  z.strictObject({
    synthetic: z.strictObject({ seed: z.int().min(0).max(2_147_483_647), bars: z.int().min(100).max(1_000_000).default(10_080) }),
  }),
]);

const riskLimits = z.strictObject({
  maxPositionRatio: decimal.optional(),
  maxTokenConcentrationRatio: decimal.optional(),
  maxOrderNotional: decimal.optional(),
  maxOpenOrders: z.int().min(1).max(1000).optional(),
  maxOrdersPerMinute: z.int().min(1).max(6000).optional(),
  maxDailyLossRatio: decimal.optional(),
  maxDrawdownRatio: decimal.optional(),
});

const sizing = z.strictObject({
  method: z.enum(["VolatilityTarget", "FixedFraction"]).optional(),
  targetVolatilityRatio: decimal.optional(),
  fractionRatio: decimal.optional(),
  lookbackBars: z.int().min(2).max(5000).optional(),
});

/** With its defaults filled in; times are market time. */
const breaker = z.strictObject({
  type: breakerType,
  threshold: z.number().positive().optional(),
  windowMs: z.int().positive(),
  cooldownMs: z.int().nonnegative(),
  action: z.enum(["Halt", "Reduce", "Flatten"]),
});

const backtest = z.strictObject({
  dataset,
  volumeUnit: z.enum(["Base", "Quote"]).default("Base"),
  gaps: z.enum(["Refuse", "Skip"]).default("Refuse"),
  /** Market time; bars opening before `fromMs` only warm up, bars opening at or after `toMs` are not seen. Absent: all of the dataset. */
  fromMs: z.int().nonnegative().optional(),
  toMs: z.int().nonnegative().optional(),
  seed: z.int().min(0).max(2_147_483_647).default(1),
  startingBalances: z
    .array(z.strictObject({ asset: z.string().min(1).max(40), amount: decimal }))
    .min(1)
    .max(16),
  baseCurrency: z.string().min(1).max(40),
  feeBps: decimal.default("10"),
  slippageBps: decimal.default("5"),
  /** Most of a bar's volume that fills in it. */
  volumeShareRatio: decimal.default("0.10"),
  trading: z.enum(["Active", "Reducing", "Halted"]).default("Active"),
  /** Of the RiskPolicy; omitted ones take the engine's safe defaults, the same as risk's. */
  limits: riskLimits.default({}),
  sizing: sizing.optional(),
  circuitBreakers: z.array(breaker).max(8).default([]),
  /** Part of the starting equity the strategy may use (`capital.shareRatio`). */
  shareRatio: decimal.default("1"),
});

const base = {
  strategy: z.strictObject({
    uid: z.string().min(1).max(64),
    name: z.string().min(1).max(63),
    namespace: z.string().min(1).max(63),
  }),
  markets: z.array(market).min(1).max(16),
  schedule: schedule.default({ kind: "onBar" }),
  /** Bars loaded before the first decision, without orders. */
  warmupBars: z.int().min(0).max(5000).default(200),
  program,
  limits: limits.default({ callTimeoutMs: 5_000, memoryMiB: 64 }),
  /** Health and metrics. */
  healthPort: port.default(9090),
  /** The container's termination message: a JSON of at most 4,096 bytes (docs/programs.md, *What the operator reads*). */
  terminationMessageFile: z.string().max(500).default("/dev/termination-log"),
  log: z.strictObject({ level: z.enum(["debug", "info", "warn", "error"]).default("info") }).default({ level: "info" }),
};

const risk = z.strictObject({
  url: z.url().max(500),
  tokenFile: z.string().max(500).default("/var/run/secrets/bellwether/risk.bellwether.dev/token"),
});

/** The gateway of the strategy's LlmRoute. */
const llm = z.strictObject({
  url: z.url().max(500),
  tokenFile: z.string().max(500).default("/var/run/secrets/bellwether/gateway.bellwether.dev/token"),
  /** Longest wait for one answer, wall time. */
  timeoutMs: z.int().min(100).max(600_000).default(30_000),
});

const tradingConfig = z.strictObject({ mode: z.enum(["Paper", "Live"]), ...base, risk, llm: llm.optional() });
/** What is asked once is kept in a file on a volume that outlives the pod, and replayed from then on. */
const recorded = llm.extend({ answersFile: z.string().min(1).max(500) });
const backtestConfig = z.strictObject({ mode: z.literal("Backtest"), ...base, backtest, llm: recorded.optional() });

/** The whole file. Paper and Live name their risk service, Backtest its dataset; a pod never has both. */
export const agentConfig = z.discriminatedUnion("mode", [tradingConfig, backtestConfig]);

export type AgentConfig = z.output<typeof agentConfig>;
/** What the operator renders: fields with defaults may be left out. */
export type AgentConfigInput = z.input<typeof agentConfig>;
export type TradingConfig = z.output<typeof tradingConfig>;
export type BacktestConfig = z.output<typeof backtestConfig>;
export type ScheduleConfig = z.output<typeof schedule>;
export type LlmConfig = z.output<typeof llm>;
export type ProgramConfig = z.output<typeof program>;
export type ProgramLimits = z.output<typeof limits>;

/** Exit codes of the agent's container; everything else is a crash. */
export const exitCodes = {
  /** A backtest completed; its result is the termination message. */
  completed: 0,
  /** An error of the agent itself. */
  crashed: 1,
  /** config.json is wrong. */
  badConfig: 64,
  /** The dataset, or the manifest of the command line, is wrong. */
  badInput: 65,
  /** The program threw, hung, leaked or does not fit the interface. */
  programFailed: 70,
} as const;

/** The backtest figures of `status.backtest`; money and ratios are decimal strings. */
export const backtestSummary = z.strictObject({
  bars: z.int().nonnegative(),
  /** Completed round trips. */
  trades: z.int().nonnegative(),
  pnlRatio: z.string().max(60),
  maxDrawdownRatio: z.string().max(60),
  /** Over 365 days, risk-free 0. */
  sharpe: z.string().max(60),
  finalEquity: z.string().max(60),
  fees: z.string().max(60),
  logSha256: z.string().max(64),
});
export type BacktestSummary = z.output<typeof backtestSummary>;

/** The JSON in the container's termination message, read by the operator from the container status. */
export const terminationMessage = z.discriminatedUnion("reason", [
  z.strictObject({ reason: z.literal("Completed"), backtest: backtestSummary }),
  z.strictObject({ reason: z.literal("ProgramFailed"), message: z.string().max(1000) }),
  z.strictObject({ reason: z.literal("BadInput"), message: z.string().max(3000) }),
  z.strictObject({ reason: z.literal("BadConfig"), message: z.string().max(3000) }),
  z.strictObject({ reason: z.literal("Crashed"), message: z.string().max(1000) }),
]);
export type TerminationMessage = z.output<typeof terminationMessage>;
