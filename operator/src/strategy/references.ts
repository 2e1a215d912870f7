/** Whether everything a strategy names is there and fits together. Pure. */
import { type EffectiveStrategySpec, type RiskPolicy, effectiveDataset } from "@bellwether/crds";
import { type Inputs, inputRefs } from "./inputs.ts";

/** Why a strategy cannot run as it is written: a reason for machines, a sentence that a person can act on. */
export interface Fault {
  readonly reason: FaultReason;
  readonly message: string;
  /** A missing file stops only what is not running yet: a pod has its files mounted already. */
  readonly stopsRunning: boolean;
}

export type FaultReason =
  | "RiskPolicyMissing"
  | "RiskPolicyDeleting"
  | "AccountMissing"
  | "AccountNotPaper"
  | "LiveOnPaperAccount"
  | "PositionOpen"
  | "LlmRouteMissing"
  | "ProgramMissing"
  | "DatasetMissing"
  | "DatasetNotSupported"
  | "StartingBalancesMissing"
  | "NoCapitalLeft"
  | "SpecInvalid";

/** What the strategy holds, by its status. */
export interface Holding {
  readonly policy: string;
  readonly account: string;
  /** Such as `0.2 BTC/USDT`; none: flat. */
  readonly positions: readonly string[];
}

export interface References {
  readonly policy: RiskPolicy | undefined;
  readonly holding: Holding | undefined;
  readonly llmRouteExists: boolean;
  readonly inputs: Inputs;
}

type Check = (spec: EffectiveStrategySpec, references: References) => Omit<Fault, "stopsRunning"> | undefined;

/** The first fault, in the order in which a person would mend them. */
export function firstFault(spec: EffectiveStrategySpec, references: References): Fault | undefined {
  for (const check of [policyThere, accountFits, positionsFollow, llmRouteThere, backtestComplete]) {
    const fault = check(spec, references);
    if (fault) return { ...fault, stopsRunning: true };
  }
  const missing = inputsThere(spec, references);
  return missing && { ...missing, stopsRunning: false };
}

const policyThere: Check = ({ riskPolicyRef: { name } }, { policy }) => {
  if (!policy) {
    return {
      reason: "RiskPolicyMissing",
      message: `there is no RiskPolicy "${name}" in this namespace: create it, or correct spec.riskPolicyRef.name`,
    };
  }
  if (policy.metadata.deletionTimestamp === undefined) return undefined;
  return {
    reason: "RiskPolicyDeleting",
    message: `RiskPolicy "${name}" is being deleted: delete this strategy, too, or name another policy`,
  };
};

const accountFits: Check = ({ mode, riskPolicyRef: { name, account } }, { policy }) => {
  const accounts = policy?.spec.accounts ?? [];
  const found = accounts.find((candidate) => candidate.name === account);
  if (!found) {
    const there = accounts.map((candidate) => candidate.name).join(", ");
    return {
      reason: "AccountMissing",
      message: `RiskPolicy "${name}" has no account "${account}", it has ${there}: correct spec.riskPolicyRef.account`,
    };
  }
  const isPaper = found.paper !== undefined;
  if (mode === "Live" && isPaper) {
    return {
      reason: "LiveOnPaperAccount",
      message: `mode Live needs an account at a venue; account "${account}" of RiskPolicy "${name}" is a paper account`,
    };
  }
  if (mode === "Paper" && !isPaper) {
    return {
      reason: "AccountNotPaper",
      message: `mode Paper needs a paper account; account "${account}" of RiskPolicy "${name}" is one at a venue`,
    };
  }
  return undefined;
};

/** Positions stay where they are: another account would leave them without anybody who decides about them. */
const positionsFollow: Check = ({ mode, riskPolicyRef: { name, account } }, { holding }) => {
  if (mode === "Backtest" || !holding || holding.positions.length === 0) return undefined;
  if (holding.account === account && holding.policy === name) return undefined;
  const held = `${holding.positions.join(", ")} in account "${holding.account}" of RiskPolicy "${holding.policy}"`;
  return {
    reason: "PositionOpen",
    message: `the strategy holds ${held}: changing the account needs a flat position. Set spec.riskPolicyRef back and sell first`,
  };
};

const llmRouteThere: Check = ({ llmRouteRef }, { llmRouteExists }) => {
  if (!llmRouteRef || llmRouteExists) return undefined;
  return {
    reason: "LlmRouteMissing",
    message: `there is no LlmRoute "${llmRouteRef.name}" in this namespace: create it, or correct spec.llmRouteRef.name`,
  };
};

const backtestComplete: Check = ({ mode, backtest, riskPolicyRef }, { policy }) => {
  if (mode !== "Backtest" || !backtest) return undefined;
  if (effectiveDataset(backtest.dataset).source.kind === "ccxt") {
    const message =
      "this version does not download history: put the bars into a ConfigMap or on a volume (spec.backtest.dataset)";
    return { reason: "DatasetNotSupported", message };
  }
  const account = policy?.spec.accounts.find(({ name }) => name === riskPolicyRef.account);
  if (account?.paper || backtest.startingBalances) return undefined;
  const message = `account "${riskPolicyRef.account}" is not a paper account, so its balances cannot be started from: set spec.backtest.startingBalances`;
  return { reason: "StartingBalancesMissing", message };
};

const inputsThere: Check = (spec, { inputs }) => {
  for (const { role, name, key } of inputRefs(spec)) {
    const state = inputs.get(role);
    if (state?.found) continue;
    const reason = role === "program" ? "ProgramMissing" : "DatasetMissing";
    const what =
      state?.missing === "Key" ? `ConfigMap "${name}" has no key "${key}"` : `there is no ConfigMap "${name}" in this namespace`;
    return { reason, message: `${what}: the strategy's ${role} is expected there` };
  }
  return undefined;
};
