import { z } from "zod";
import { CHECKPOINT, checkpointSpec, checkpointStatus } from "./checkpoint.ts";
import { API_VERSION, type ResourceNames } from "./custom-resource.ts";
import { LLM_ROUTE, llmRouteSpec, llmRouteStatus } from "./llm-route.ts";
import { RISK_POLICY, riskPolicySpec, riskPolicyStatus } from "./risk-policy.ts";
import { MAX_NAME_LENGTH } from "./schema/references.ts";
import { type KubernetesValidation, withRule } from "./schema/rule.ts";
import { STRATEGY, strategySpec, strategyStatus } from "./strategy.ts";

/** A column of `kubectl get`; `wide` ones appear with `-o wide` only. Columns read status, where every figure is ready to print. */
export interface PrinterColumn {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: "string" | "integer" | "date";
  readonly description: string;
  readonly wide?: boolean;
}

/** Everything there is to know about one kind: what the CRD, the reference page and the tests are made from. */
export interface KindDefinition {
  readonly names: ResourceNames;
  /** What the kind is for, in a sentence. */
  readonly summary: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** Validations that look at metadata, spec and status together; the API server only. */
  readonly rootValidations: readonly KubernetesValidation[];
}

const AGE: PrinterColumn = {
  name: "AGE",
  jsonPath: ".metadata.creationTimestamp",
  type: "date",
  description: "Age of the object.",
};
const conditionColumn = (name: string, type: string, description: string): PrinterColumn => ({
  name,
  jsonPath: `.status.conditions[?(@.type=="${type}")].status`,
  type: "string",
  description,
});
const column = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  jsonPath,
  type: "string",
  description,
});
const wide = (given: PrinterColumn): PrinterColumn => ({ ...given, wide: true });

const strategyKind: KindDefinition = {
  names: STRATEGY,
  summary: "A trading agent: which program decides, on which markets, under which risk policy, on which cores.",
  spec: strategySpec,
  status: strategyStatus,
  columns: [
    column("MODE", ".status.mode", "Paper, Live or Backtest."),
    column("PHASE", ".status.phase", "Where the strategy is in its life."),
    conditionColumn("TRADING", "TradingAllowed", "Whether orders are let through."),
    column("PNL%", ".status.pnlPercent", "Profit and loss in percent of the starting capital."),
    column("CPUS", ".status.cpus", "Cores the kubelet gave the agent."),
    AGE,
    wide(column("POLICY", ".status.policy", "RiskPolicy in use.")),
    wide(column("ACCOUNT", ".status.account", "Account in use.")),
    wide(column("EQUITY", ".status.equityRounded", "Equity of the sub-account.")),
    wide(column("REASON", ".status.reason", "Why it does not run or trade.")),
  ],
  rootValidations: [
    {
      rule: "self.spec.riskPolicyRef == oldSelf.spec.riskPolicyRef || !has(oldSelf.status) || !has(oldSelf.status.positions) || oldSelf.status.positions.size() == 0",
      message:
        "the policy or account of a strategy that holds a position cannot be changed: suspend it and sell the position first (status.positions must be empty)",
      fieldPath: ".spec.riskPolicyRef",
    },
  ],
};

const llmRouteKind: KindDefinition = {
  names: LLM_ROUTE,
  summary: "Which language models answer, within which budget.",
  spec: llmRouteSpec,
  status: llmRouteStatus,
  columns: [
    conditionColumn("READY", "Ready", "Whether requests are answered."),
    column("MODELS", ".status.ready", "Models ready, of how many."),
    column("SPENT", ".status.budget.spentUsd", "US dollars spent this month."),
    column("BUDGET", ".status.budget.state", "State of the budget."),
    column("HIT%", ".status.cacheHitPercent", "Requests answered without a call, in percent."),
    column("CPUS", ".status.cpus", "Cores of the local models."),
    AGE,
  ],
  rootValidations: [],
};

const riskPolicyKind: KindDefinition = {
  names: RISK_POLICY,
  summary: "What no order may breach, and the accounts orders go to.",
  spec: riskPolicySpec,
  status: riskPolicyStatus,
  columns: [
    column("TRADING", ".status.state", "What trading is allowed now."),
    { name: "SCORE", jsonPath: ".status.riskScore", type: "integer", description: "0 (idle) to 100 (a limit is reached)." },
    column("EQUITY", ".status.equityRounded", "All accounts, marked to market."),
    column("DRAWDOWN%", ".status.drawdownPercent", "Fall from the peak of equity, in percent."),
    column("TRIPPED", ".status.tripped", "Breakers tripped, of how many."),
    conditionColumn("READY", "Ready", "Whether risk and all brokers are up."),
    AGE,
  ],
  rootValidations: [],
};

const checkpointKind: KindDefinition = {
  names: CHECKPOINT,
  summary: "Snapshots of everything that cannot be computed again, where they are kept, and how they are restored.",
  spec: checkpointSpec,
  status: checkpointStatus,
  columns: [
    column("SCHEDULE", ".status.schedule", "When snapshots are taken."),
    { name: "LAST", jsonPath: ".status.lastSnapshot.time", type: "date", description: "Age of the latest snapshot." },
    column("COPIES", ".status.copiesReady", "Copies reachable, of how many."),
    column("VERIFIED", ".status.copiesVerified", "Copies verified, of how many are wanted."),
    column("RECOVERY", ".status.recovery.phase", "Where a recovery is."),
    AGE,
  ],
  rootValidations: [],
};

export const KINDS: readonly KindDefinition[] = [strategyKind, llmRouteKind, riskPolicyKind, checkpointKind];

const namePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** The rule on the name of every object of ours; it stands at the root, the only place from which CEL sees the name. */
const named = <Schema extends z.ZodType<{ metadata: { name: string } }>>(schema: Schema): Schema =>
  withRule(schema, {
    check: ({ metadata: { name } }) => name.length <= MAX_NAME_LENGTH && namePattern.test(name),
    cel: `self.metadata.name.size() <= ${MAX_NAME_LENGTH} && self.metadata.name.matches(r'${namePattern.source}')`,
    message: `metadata.name must be at most ${MAX_NAME_LENGTH} lower-case letters, digits and hyphens (no dots), starting and ending with a letter or digit: children's names are made from it`,
  });

/** A whole object as a manifest states it, without status: what `kubectl apply` would take. */
export const manifestSchema = (kind: KindDefinition) =>
  named(
    z.strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal(kind.names.kind),
      metadata: z.looseObject({ name: z.string().min(1).max(253) }),
      spec: kind.spec,
    }),
  );
