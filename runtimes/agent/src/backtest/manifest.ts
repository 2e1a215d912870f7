import {
  type EffectiveDataset,
  type EffectiveStrategySpec,
  type RiskPolicySpec,
  type StrategySpec,
  durationMs,
  effectiveDataset,
  effectivePaperAccount,
  effectiveRiskPolicySpec,
  effectiveStrategySpec,
  riskPolicySpec,
  strategySpec,
} from "@bellwether/crds";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { type AgentConfigInput, type BacktestConfig, agentConfig } from "../config.ts";
import { AgentError } from "../errors.ts";

/** What the command line says beside the manifest. */
export interface ManifestOverrides {
  /** A CSV instead of the manifest's dataset. */
  readonly data?: string;
  readonly volumeUnit?: "Base" | "Quote";
  readonly gaps?: "Refuse" | "Skip";
  /** A TypeScript file instead of the manifest's `source`. */
  readonly program?: string;
}

export interface ReadManifest {
  readonly config: BacktestConfig;
  /** Files that the manifest itself holds (ConfigMaps beside the Strategy), by the names `config` refers to. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const apiVersion = "bellwether.dev/v1alpha1";
const namedObject = z.object({ metadata: z.object({ name: z.string().min(1), namespace: z.string().optional() }) });
const strategyObject = namedObject.extend({ apiVersion: z.literal(apiVersion), kind: z.literal("Strategy"), spec: strategySpec });
const policyObject = namedObject.extend({
  apiVersion: z.literal(apiVersion),
  kind: z.literal("RiskPolicy"),
  spec: riskPolicySpec,
});
const configMapObject = namedObject.extend({
  data: z.record(z.string(), z.string()).optional(),
  binaryData: z.record(z.string(), z.base64()).optional(),
});

interface Objects {
  readonly strategies: { readonly metadata: { name: string; namespace?: string | undefined }; readonly spec: StrategySpec }[];
  readonly policies: { readonly metadata: { name: string }; readonly spec: RiskPolicySpec }[];
  readonly files: Map<string, Uint8Array>;
}

/**
 * What to run: the one Strategy of a manifest under the RiskPolicy it names. A Strategy that is not `mode: Backtest` is run
 * over its `backtest` all the same, or over `overrides.data`.
 *
 * @throws AgentError BAD_MANIFEST with every fault
 */
export function readManifest(text: string, overrides: ManifestOverrides): ReadManifest {
  const faults: string[] = [];
  const objects = parseObjects(text, faults);
  const [strategy, ...others] = objects.strategies;
  if (!strategy && faults.length === 0) faults.push(`there is no Strategy (${apiVersion}) in it`);
  if (others.length > 0) faults.push(`there are ${others.length + 1} Strategies in it: a backtest runs one`);
  if (faults.length > 0 || !strategy) throw badManifest(faults);

  const policyName = strategy.spec.riskPolicyRef.name;
  const policy = objects.policies.find(({ metadata }) => metadata.name === policyName);
  if (!policy) throw badManifest([`there is no RiskPolicy ${policyName} in it, which Strategy ${strategy.metadata.name} names`]);

  const config = agentConfig.safeParse(configInput({ strategy, policy: policy.spec, objects, overrides }, faults));
  if (faults.length > 0) throw badManifest(faults);
  if (!config.success) throw badManifest(config.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  if (config.data.mode !== "Backtest") throw new TypeError("the configuration of a backtest came out as another");
  return { config: config.data, files: objects.files };
}

function badManifest(faults: readonly string[]): AgentError {
  return new AgentError("BAD_MANIFEST", faults.join("\n"), { context: { faults } });
}

function parseObjects(text: string, faults: string[]): Objects {
  const objects: Objects = { strategies: [], policies: [], files: new Map() };
  for (const document of parseAllDocuments(text)) {
    if (document.errors.length > 0) {
      faults.push(...document.errors.map((error) => `YAML: ${error.message.split("\n")[0]}`));
      continue;
    }
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (typeof value === "object" && value !== null) takeObject(value as Record<string, unknown>, objects, faults);
  }
  return objects;
}

/** Objects of other kinds are no business of a backtest: a manifest may hold the whole installation. */
function takeObject(value: Record<string, unknown>, objects: Objects, faults: string[]): void {
  switch (value["kind"]) {
    case "Strategy":
      objects.strategies.push(...checked(strategyObject, value, faults));
      return;
    case "RiskPolicy":
      objects.policies.push(...checked(policyObject, value, faults));
      return;
    case "ConfigMap":
      for (const { metadata, data, binaryData } of checked(configMapObject, value, faults)) {
        for (const [key, content] of Object.entries(data ?? {}))
          objects.files.set(`${metadata.name}/${key}`, Buffer.from(content));
        for (const [key, content] of Object.entries(binaryData ?? {})) {
          objects.files.set(`${metadata.name}/${key}`, Buffer.from(content, "base64"));
        }
      }
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, value: Record<string, unknown>, faults: string[]): z.output<Schema>[] {
  const result = schema.safeParse(value);
  if (result.success) return [result.data];
  const named = namedObject.safeParse(value);
  const name = `${String(value["kind"])} ${named.success ? named.data.metadata.name : "without a name"}`;
  faults.push(...result.error.issues.map((issue) => `${name}: ${issue.path.join(".")}: ${issue.message}`));
  return [];
}

interface Source {
  readonly strategy: Objects["strategies"][number];
  readonly policy: RiskPolicySpec;
  readonly objects: Objects;
  readonly overrides: ManifestOverrides;
}

function configInput(source: Source, faults: string[]): AgentConfigInput {
  const { strategy } = source;
  const spec = effectiveStrategySpec({ ...strategy.spec, mode: "Backtest" });
  return {
    mode: "Backtest",
    strategy: { uid: "backtest", name: strategy.metadata.name, namespace: strategy.metadata.namespace ?? "default" },
    markets: spec.markets.map(({ symbol, timeframe }) => ({ symbol, timeframe })),
    schedule: scheduleInput(spec.schedule),
    warmupBars: spec.schedule.warmupBars,
    program: programInput(source, faults),
    backtest: backtestInput(source, spec, faults),
  };
}

function scheduleInput(schedule: EffectiveStrategySpec["schedule"]): NonNullable<AgentConfigInput["schedule"]> {
  switch (schedule.kind) {
    case "onBar":
      return { kind: "onBar" };
    case "every":
      return { kind: "every", everyMs: durationMs(schedule.every) };
    case "cron":
      return { kind: "cron", cron: schedule.cron, timeZone: schedule.timeZone };
  }
}

function programInput({ strategy, objects, overrides }: Source, faults: string[]): AgentConfigInput["program"] {
  const { builtin, source } = strategy.spec.program;
  const parameters = { ...(builtin ?? source)?.parameters };
  if (overrides.program !== undefined) return { source: { file: overrides.program, name: overrides.program }, parameters };
  if (builtin) return { builtin: builtin.name, parameters };
  const name = `${source?.configMapRef.name}/${source?.configMapRef.key}`;
  if (!objects.files.has(name)) {
    faults.push(`spec.program.source: the manifest holds no ConfigMap with ${name}: give the module with --program file.ts`);
  }
  return { source: { file: name, name }, parameters };
}

type BacktestInput = Extract<AgentConfigInput, { mode: "Backtest" }>["backtest"];

function backtestInput(
  { strategy, policy, objects, overrides }: Source,
  spec: EffectiveStrategySpec,
  faults: string[],
): BacktestInput {
  const { baseCurrency, limits, sizing: policySizing, circuitBreakers, accounts } = effectiveRiskPolicySpec(policy);
  const { name, account } = spec.riskPolicyRef;
  const found = accounts.find((candidate) => candidate.name === account);
  if (!found)
    faults.push(`RiskPolicy ${name} has no account ${account} (it has ${accounts.map((each) => each.name).join(", ")})`);
  const paper = found?.paper && effectivePaperAccount(found.paper);
  const given = strategy.spec.backtest;
  const balances = given?.startingBalances ?? paper?.balances;
  if (!balances) faults.push("spec.backtest.startingBalances is missing: the account is no paper account that has some");
  const dataset = given?.dataset && effectiveDataset(given.dataset);
  return {
    dataset: datasetInput(dataset, { objects, overrides }, faults),
    volumeUnit: overrides.volumeUnit ?? dataset?.volumeUnit ?? "Base",
    gaps: overrides.gaps ?? dataset?.gaps ?? "Refuse",
    ...(given?.from !== undefined && { fromMs: Date.parse(given.from) }),
    ...(given?.to !== undefined && { toMs: Date.parse(given.to) }),
    ...(given?.seed !== undefined && { seed: given.seed }),
    startingBalances: (balances ?? []).map(({ asset, amount }) => ({ asset, amount })),
    baseCurrency,
    ...(paper && { feeBps: paper.feeBps, slippageBps: paper.slippageBps, volumeShareRatio: paper.volumeShareRatio }),
    limits,
    sizing: policySizing,
    circuitBreakers: circuitBreakers.map((breaker) => ({ ...breaker })),
    ...(spec.shareRatio !== undefined && { shareRatio: spec.shareRatio }),
  };
}

function datasetInput(
  dataset: EffectiveDataset | undefined,
  { objects, overrides }: Pick<Source, "objects" | "overrides">,
  faults: string[],
): BacktestInput["dataset"] {
  if (overrides.data !== undefined) return { file: overrides.data };
  if (dataset?.source.kind === "synthetic") return { synthetic: { seed: dataset.source.seed, bars: dataset.source.bars } };
  if (dataset?.source.kind === "configMap") {
    const name = `${dataset.source.name}/${dataset.source.key}`;
    if (objects.files.has(name)) return { file: name };
    faults.push(`spec.backtest.dataset: the manifest holds no ConfigMap with ${name}: give the bars with --data bars.csv`);
  } else {
    const why = dataset ? `${dataset.source.kind} data is not at hand here` : "the Strategy has no spec.backtest.dataset";
    faults.push(`${why}: give the bars with --data bars.csv`);
  }
  return { file: "missing" };
}
