import { type Examples, manifestOf, withFields } from "./example.ts";

const minimal = {
  riskPolicyRef: { name: "paper", account: "main" },
  markets: [{ symbol: "BTC/USDT", timeframe: "1m" }],
  program: { builtin: { name: "momentum" } },
};
const backtest = {
  ...minimal,
  mode: "Backtest",
  backtest: {
    dataset: { configMapRef: { name: "bars", key: "btc.csv.gz" }, symbol: "BTC/USDT", volumeUnit: "Quote", gaps: "Skip" },
  },
};
const full = {
  mode: "Live",
  acknowledgeLive: true,
  suspend: false,
  onDelete: "Flatten",
  riskPolicyRef: { name: "live", account: "binance" },
  llmRouteRef: { name: "models" },
  markets: [
    { symbol: "BTC/USDT", timeframe: "5m" },
    { symbol: "BTC/USDT", timeframe: "1h" },
    { symbol: "So11111111111111111111111111111111111111112/EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", timeframe: "1m" },
  ],
  schedule: { cron: "*/5 8-18 * * MON-FRI", timeZone: "Europe/Berlin", warmupBars: 500 },
  program: {
    source: {
      configMapRef: { name: "my-program", key: "program.ts" },
      parameters: { fast: 20, threshold: "0.5", verbose: "true" },
    },
  },
  resources: { cpus: 2, memory: "512Mi", pinning: "Exclusive" },
  capital: { shareRatio: "0.25" },
  priority: 900,
  alerts: [
    { name: "losing", metric: "pnlRatio", threshold: "-0.05" },
    { name: "slow", metric: "decisionLatency", threshold: "5s" },
  ],
};

const accepts = (name: string, changes: Record<string, unknown>, base: object = minimal) => ({
  name,
  manifest: manifestOf("Strategy", withFields(base as Record<string, unknown>, changes)),
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

const decimalText = "must be a decimal number as text";

export const strategyExamples: Examples = {
  kind: "Strategy",
  accept: [
    accepts("the least that can be said", {}),
    accepts("every field", {}, full),
    accepts("a backtest over a ConfigMap", {}, backtest),
    accepts(
      "a backtest over a volume, within a period",
      {
        "backtest.dataset": { volume: { claimName: "data", path: "bars/btc.csv" } },
        "backtest.from": "2022-01-01",
        "backtest.to": "2022-01-31T12:00:00Z",
        "backtest.seed": 7,
        "backtest.startingBalances": [
          { asset: "USDT", amount: "10000" },
          { asset: "BTC", amount: "0" },
        ],
      },
      backtest,
    ),
    accepts("a backtest over downloaded history", { "backtest.dataset": { ccxt: { exchange: "kraken" } } }, backtest),
    accepts("a backtest over a synthetic market", { "backtest.dataset": { synthetic: { seed: 1 } } }, backtest),
    accepts("a fixed interval", { schedule: { every: "1m30s" } }),
    accepts("bars, said aloud", { schedule: { onBar: true } }),
    accepts("onBar: false beside an interval", { schedule: { onBar: false, every: "60s" } }),
    accepts("a name of 40 characters", {}),
    accepts("the analyst with a route", { "program.builtin.name": "llm-analyst", llmRouteRef: { name: "models" } }),
    accepts("a perpetual's symbol", { "markets[0].symbol": "BTC/USDT:USDT" }),
    { name: "the longest name", manifest: manifestOf("Strategy", minimal, "a".repeat(40)) },
  ],
  reject: [
    {
      name: "a name of 41 characters",
      manifest: manifestOf("Strategy", minimal, "a".repeat(41)),
      field: "",
      says: "metadata.name must be at most 40",
    },
    {
      name: "a name with dots",
      manifest: manifestOf("Strategy", minimal, "a.b"),
      field: "",
      says: "metadata.name must be at most 40",
    },
    rejects("no risk policy", { riskPolicyRef: undefined }, { field: "riskPolicyRef" }),
    rejects("no account", { "riskPolicyRef.account": undefined }, { field: "account" }),
    rejects("an unknown field", { leverage: 3 }, { field: "leverage" }),
    rejects("a field specified later (image)", { program: { image: "x" } }, { field: "image" }),
    rejects("an unknown mode", { mode: "Dry" }, { field: "mode" }),
    rejects("live without acknowledgement", { mode: "Live" }, { field: "acknowledgeLive", says: "needs acknowledgeLive: true" }),
    rejects(
      "live with acknowledgeLive: false",
      { mode: "Live", acknowledgeLive: false },
      { field: "acknowledgeLive", says: "needs acknowledgeLive: true" },
    ),
    rejects("a backtest without a dataset", { mode: "Backtest" }, { field: "backtest", says: "mode Backtest needs backtest" }),
    rejects("no market", { markets: [] }, { field: "markets" }),
    rejects(
      "17 markets",
      { markets: Array.from({ length: 17 }, (_, index) => ({ symbol: `A${index}/USDT`, timeframe: "1m" })) },
      { field: "markets" },
    ),
    rejects("a market twice", { markets: [minimal.markets[0], minimal.markets[0]] }, { field: "markets" }),
    rejects(
      "a market without quote",
      { "markets[0].symbol": "BTCUSDT" },
      { field: "symbol", says: "must be a market in the form BASE/QUOTE, such as BTC/USDT" },
    ),
    rejects(
      "an impossible timeframe",
      { "markets[0].timeframe": "60" },
      { field: "timeframe", says: "must be a timeframe such as 1m" },
    ),
    rejects(
      "two programs",
      { "program.source": { configMapRef: { name: "p", key: "p.ts" } } },
      { field: "program", says: "exactly one of builtin, source must be set" },
    ),
    rejects("no program", { program: {} }, { field: "program", says: "exactly one of builtin, source must be set" }),
    rejects("an unknown builtin", { "program.builtin.name": "moon" }, { field: "name" }),
    rejects("a fractional parameter as a number", { "program.builtin.parameters": { threshold: 0.5 } }, { field: "threshold" }),
    rejects(
      "a parameter with a blank in its name",
      { "program.builtin.parameters": { "my fast": 1 } },
      { field: "parameters", says: "parameter names are at most 40 letters" },
    ),
    rejects(
      "33 parameters",
      { "program.builtin.parameters": Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`p${index}`, 1])) },
      { field: "parameters" },
    ),
    rejects(
      "the analyst without a route",
      { "program.builtin.name": "llm-analyst" },
      { field: "llmRouteRef", says: "the program llm-analyst needs llmRouteRef" },
    ),
    rejects(
      "two schedules",
      { schedule: { every: "60s", cron: "* * * * *" } },
      { field: "schedule", says: "at most one of onBar: true, every, cron may be set" },
    ),
    rejects(
      "bars and an interval",
      { schedule: { onBar: true, every: "60s" } },
      { field: "schedule", says: "at most one of onBar: true, every, cron may be set" },
    ),
    rejects("never", { schedule: { onBar: false } }, { field: "onBar", says: "onBar: false needs every or cron" }),
    rejects(
      "an interval without unit",
      { schedule: { every: "60" } },
      { field: "every", says: "must be a duration between 1s and 168h" },
    ),
    rejects(
      "an interval of nothing",
      { schedule: { every: "0s" } },
      { field: "every", says: "must be a duration between 1s and 168h" },
    ),
    rejects(
      "an interval of a month",
      { schedule: { every: "720h" } },
      { field: "every", says: "must be a duration between 1s and 168h" },
    ),
    rejects(
      "minute 60",
      { schedule: { cron: "60 * * * *" } },
      { field: "cron", says: "must be a cron expression of five fields" },
    ),
    rejects(
      "six cron fields",
      { schedule: { cron: "* * * * * *" } },
      { field: "cron", says: "must be a cron expression of five fields" },
    ),
    rejects(
      "a time zone with blanks",
      { schedule: { cron: "@daily", timeZone: "Mars time" } },
      { field: "timeZone", says: "must be a time zone" },
    ),
    rejects(
      "negative warm-up",
      { schedule: { warmupBars: -1 } },
      { field: "warmupBars", says: "must be a whole number between 0 and 5000" },
    ),
    rejects("no cores", { resources: { cpus: 0 } }, { field: "cpus", says: "must be a whole number between 1 and 128" }),
    rejects("half a core", { resources: { cpus: 0.5 } }, { field: "cpus" }),
    rejects(
      "memory without unit",
      { resources: { memory: "512" } },
      { field: "memory", says: "must be an amount of memory with a unit" },
    ),
    rejects("a share of nothing", { capital: { shareRatio: "0" } }, { field: "shareRatio", says: decimalText }),
    rejects("a share of more than all", { capital: { shareRatio: "1.01" } }, { field: "shareRatio", says: decimalText }),
    rejects("a share as a number", { capital: { shareRatio: 0.25 } }, { field: "shareRatio" }),
    rejects("a share in percent", { capital: { shareRatio: "25%" } }, { field: "shareRatio", says: decimalText }),
    rejects("priority 1001", { priority: 1001 }, { field: "priority", says: "must be a whole number between 0 and 1000" }),
    rejects(
      "a latency alert in decimals",
      { alerts: [{ name: "slow", metric: "decisionLatency", threshold: "5" }] },
      { field: "threshold", says: "threshold must be a duration for decisionLatency" },
    ),
    rejects(
      "a loss alert in seconds",
      { alerts: [{ name: "loss", metric: "pnlRatio", threshold: "5s" }] },
      { field: "threshold", says: "threshold must be a duration for decisionLatency" },
    ),
    rejects(
      "two alerts of one name",
      {
        alerts: [
          { name: "a", metric: "pnlRatio", threshold: "0" },
          { name: "a", metric: "equity", threshold: "0" },
        ],
      },
      { field: "alerts" },
    ),
    rejects(
      "two sources of bars",
      { "backtest.dataset.synthetic": { seed: 1 } },
      { base: backtest, field: "dataset", says: "exactly one of configMapRef, volume, ccxt, synthetic must be set" },
    ),
    rejects(
      "no source of bars",
      { "backtest.dataset": { symbol: "BTC/USDT" } },
      { base: backtest, field: "dataset", says: "exactly one of configMapRef, volume, ccxt, synthetic must be set" },
    ),
    rejects(
      "a path out of the volume",
      { "backtest.dataset": { volume: { claimName: "data", path: "/etc/passwd" } } },
      { base: backtest, field: "path", says: "must be a relative path" },
    ),
    rejects(
      "an end before the begin",
      { "backtest.from": "2022-02-01", "backtest.to": "2022-01-01" },
      { base: backtest, field: "from", says: "from must be before to" },
    ),
    rejects(
      "a month 13",
      { "backtest.from": "2022-13-01" },
      { base: backtest, field: "from", says: "must be a day or an instant in UTC" },
    ),
    rejects(
      "a negative seed",
      { "backtest.seed": -1 },
      { base: backtest, field: "seed", says: "must be a whole number between 0 and" },
    ),
    rejects(
      "a negative balance",
      { "backtest.startingBalances": [{ asset: "USDT", amount: "-1" }] },
      { base: backtest, field: "amount", says: decimalText },
    ),
  ],
};
