import { describe, expect, test } from "vitest";
import { type RiskPolicy, type StrategySpec, effectiveStrategySpec } from "@bellwether/crds";
import { testPolicy, testStrategy } from "../testing/objects.ts";
import { firstFault } from "./references.ts";

const venue: RiskPolicy["spec"]["accounts"][number] = {
  name: "paper",
  ccxt: { exchange: "binance", credentialsSecretRef: { name: "keys" } },
};
const deleting = { ...testPolicy(), metadata: { ...testPolicy().metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
const source = { program: { source: { configMapRef: { name: "code", key: "own.ts" } } } };
const pastOf = (dataset: NonNullable<StrategySpec["backtest"]>["dataset"]): Partial<StrategySpec> => ({
  mode: "Backtest",
  backtest: { dataset },
});

interface Scenario {
  when: string;
  spec?: Partial<StrategySpec>;
  policy?: RiskPolicy | undefined;
  holding?: Parameters<typeof firstFault>[1]["holding"];
  llmRouteExists?: boolean;
  inputs?: Parameters<typeof firstFault>[1]["inputs"];
  then: string | undefined;
}

describe("what a strategy names", () => {
  test.each<Scenario>([
    { when: "everything is there", policy: testPolicy(), then: undefined },
    {
      when: "there is no policy",
      policy: undefined,
      then: 'RiskPolicyMissing: there is no RiskPolicy "main" in this namespace: create it, or correct spec.riskPolicyRef.name',
    },
    {
      when: "the policy goes",
      policy: deleting,
      then: 'RiskPolicyDeleting: RiskPolicy "main" is being deleted: delete this strategy, too, or name another policy',
    },
    {
      when: "the account is none of the policy's",
      spec: { riskPolicyRef: { name: "main", account: "real" } },
      policy: testPolicy(),
      then: 'AccountMissing: RiskPolicy "main" has no account "real", it has paper: correct spec.riskPolicyRef.account',
    },
    {
      when: "it is Live on paper",
      spec: { mode: "Live", acknowledgeLive: true },
      policy: testPolicy(),
      then: 'LiveOnPaperAccount: mode Live needs an account at a venue; account "paper" of RiskPolicy "main" is a paper account',
    },
    {
      when: "it is Live at a venue",
      spec: { mode: "Live", acknowledgeLive: true },
      policy: testPolicy({ accounts: [venue] }),
      then: undefined,
    },
    {
      when: "its account changed while it holds something",
      policy: testPolicy(),
      holding: { policy: "main", account: "other", positions: ["0.2 BTC/USDT"] },
      then: 'PositionOpen: the strategy holds 0.2 BTC/USDT in account "other" of RiskPolicy "main": changing the account needs a flat position. Set spec.riskPolicyRef back and sell first',
    },
    {
      when: "its policy changed while it holds something",
      policy: testPolicy(),
      holding: { policy: "old", account: "paper", positions: ["1 SOL/USDT"] },
      then: 'PositionOpen: the strategy holds 1 SOL/USDT in account "paper" of RiskPolicy "old": changing the account needs a flat position. Set spec.riskPolicyRef back and sell first',
    },
    {
      when: "its account changed while it is flat",
      policy: testPolicy(),
      holding: { policy: "main", account: "other", positions: [] },
      then: undefined,
    },
    {
      when: "it holds something in its account",
      policy: testPolicy(),
      holding: { policy: "main", account: "paper", positions: ["0.2 BTC/USDT"] },
      then: undefined,
    },
    {
      when: "it is Paper at a venue",
      policy: testPolicy({ accounts: [venue] }),
      then: 'AccountNotPaper: mode Paper needs a paper account; account "paper" of RiskPolicy "main" is one at a venue',
    },
    {
      when: "there is no such LLM route",
      spec: { llmRouteRef: { name: "llm" } },
      policy: testPolicy(),
      then: 'LlmRouteMissing: there is no LlmRoute "llm" in this namespace: create it, or correct spec.llmRouteRef.name',
    },
    {
      when: "it asks models, and its route is there",
      spec: { program: { builtin: { name: "llm-analyst" } }, llmRouteRef: { name: "llm" } },
      llmRouteExists: true,
      policy: testPolicy(),
      then: undefined,
    },
    {
      when: "it asks models in a backtest, where answers are recorded and replayed",
      spec: {
        mode: "Backtest",
        program: { builtin: { name: "llm-analyst" } },
        llmRouteRef: { name: "llm" },
        backtest: { dataset: { synthetic: { seed: 1 } } },
      },
      llmRouteExists: true,
      policy: testPolicy(),
      then: undefined,
    },
    {
      when: "there is no ConfigMap with its program",
      spec: source,
      policy: testPolicy(),
      then: 'ProgramMissing: there is no ConfigMap "code" in this namespace: the strategy\'s program is expected there',
    },
    {
      when: "the ConfigMap has no such key",
      spec: source,
      policy: testPolicy(),
      inputs: new Map([["program", { found: false, missing: "Key" }]]),
      then: 'ProgramMissing: ConfigMap "code" has no key "own.ts": the strategy\'s program is expected there',
    },
    {
      when: "its program is there",
      spec: source,
      policy: testPolicy(),
      inputs: new Map([["program", { found: true, sha256: "x" }]]),
      then: undefined,
    },
    {
      when: "there is no ConfigMap with its bars",
      spec: pastOf({ configMapRef: { name: "bars", key: "btc.csv" } }),
      policy: testPolicy(),
      then: 'DatasetMissing: there is no ConfigMap "bars" in this namespace: the strategy\'s dataset is expected there',
    },
    {
      when: "its bars would have to be downloaded",
      spec: pastOf({ ccxt: { exchange: "binance" } }),
      policy: testPolicy(),
      then: "DatasetNotSupported: this version does not download history: put the bars into a ConfigMap or on a volume (spec.backtest.dataset)",
    },
    {
      when: "a backtest has no balances to start from",
      spec: pastOf({ synthetic: { seed: 1 } }),
      policy: testPolicy({ accounts: [venue] }),
      then: 'StartingBalancesMissing: account "paper" is not a paper account, so its balances cannot be started from: set spec.backtest.startingBalances',
    },
  ])("$when", ({ spec = {}, policy, holding, llmRouteExists = false, inputs = new Map(), then }) => {
    const references = { policy, holding, llmRouteExists, inputs };
    const fault = firstFault(effectiveStrategySpec(testStrategy("a", spec).spec), references);
    expect(fault && `${fault.reason}: ${fault.message}`).toBe(then);
  });

  test("only a missing file lets a running pod run on", () => {
    const spec = effectiveStrategySpec(testStrategy("a", source).spec);
    const none = { holding: undefined, llmRouteExists: false, inputs: new Map() };
    expect(firstFault(spec, { ...none, policy: testPolicy() })?.stopsRunning).toBe(false);
    expect(firstFault(spec, { ...none, policy: undefined })?.stopsRunning).toBe(true);
  });
});
