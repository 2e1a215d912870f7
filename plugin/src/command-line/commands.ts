/** The commands as data: parser and help are made from this one table. */

export type OptionName =
  | "namespace"
  | "context"
  | "kubeconfig"
  | "platform-namespace"
  | "output"
  | "help"
  | "reason"
  | "dry-run"
  | "all"
  | "policy"
  | "account"
  | "strategy"
  | "open"
  | "limit"
  | "yes";

interface OptionDefinition {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** How the value is called in the help. */
  readonly value?: string;
  readonly describe: string;
}

export const optionDefinitions: Readonly<Record<OptionName, OptionDefinition>> = {
  namespace: { type: "string", short: "n", value: "NAME", describe: "namespace; default: that of the kubeconfig's context" },
  context: { type: "string", value: "NAME", describe: "context of the kubeconfig; default: the current one" },
  kubeconfig: { type: "string", value: "FILE", describe: "kubeconfig; default: $KUBECONFIG, then ~/.kube/config" },
  "platform-namespace": { type: "string", value: "NAME", describe: "where the chart is installed; default: bellwether" },
  output: { type: "string", short: "o", value: "table|json", describe: "for people (default) or for programs" },
  help: { type: "boolean", short: "h", describe: "this text" },
  reason: { type: "string", short: "r", value: "TEXT", describe: "why; ends in status, events and the journal" },
  "dry-run": { type: "boolean", describe: "say what would be done and change nothing" },
  all: { type: "boolean", describe: "every policy of the namespace" },
  policy: { type: "string", short: "p", value: "NAME", describe: "RiskPolicy; needed where the namespace has several" },
  account: { type: "string", value: "NAME", describe: "only breakers of this account" },
  strategy: { type: "string", value: "NAME", describe: "only breakers of this strategy" },
  open: { type: "boolean", describe: "only orders that have not ended" },
  limit: { type: "string", value: "N", describe: "at most so many orders, 1 to 500; default 50" },
  yes: { type: "boolean", short: "y", describe: "the numbers have been looked at" },
};

export const globalOptions: readonly OptionName[] = [
  "namespace",
  "context",
  "kubeconfig",
  "platform-namespace",
  "output",
  "help",
];

export const commandNames = ["status", "halt", "reduce", "resume", "reset-breaker", "adopt", "orders", "why"] as const;
export type CommandName = (typeof commandNames)[number];

export interface CommandDefinition {
  /** Positional arguments in order; a `?` at the end marks one that may be left out. */
  readonly positionals: readonly string[];
  readonly options: readonly OptionName[];
  /** Without it the command is a fault of usage. */
  readonly required: readonly OptionName[];
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly string[];
}

export const commandDefinitions: Readonly<Record<CommandName, CommandDefinition>> = {
  status: {
    positionals: ["POLICY?"],
    options: [],
    required: [],
    summary: "policies, breakers, strategies, accounts, drift: what holds trading and what to do next",
    description:
      "Asks each policy's risk for its figures of this moment; where risk cannot be asked, shows what the operator wrote last and says so.",
    examples: ["kubectl bellwether status", "kubectl bellwether status quickstart -o json"],
  },
  halt: {
    positionals: ["POLICY?"],
    options: ["reason", "all", "dry-run"],
    required: [],
    summary: "stop all trading of a policy within a second",
    description:
      "Writes the annotation bellwether.dev/halt through the API server, which works with risk and operator dead, then the halt in the journal, which outlives a GitOps tool " +
      "that removes annotations. Working entries are cancelled; protective stops stay at the venue. Only `resume` ends it.",
    examples: [
      'kubectl bellwether halt --reason "exchange reports wrong prices"',
      "kubectl bellwether halt --all",
      "kubectl bellwether halt quickstart --dry-run",
    ],
  },
  reduce: {
    positionals: ["POLICY?"],
    options: ["reason", "all", "dry-run"],
    required: [],
    summary: "let only orders pass that shrink a position",
    description:
      "Writes the annotation bellwether.dev/reduce and the same into the journal. A halt that stands is not made milder: the strictest wins. Only `resume` ends it.",
    examples: ['kubectl bellwether reduce quickstart --reason "over the weekend"'],
  },
  resume: {
    positionals: ["POLICY?"],
    options: ["reason", "dry-run"],
    required: ["reason"],
    summary: "clear halt and reduce, in the journal and on the object",
    description:
      "Clears the journal's stop, then the annotations. spec.trading, tripped breakers and drift are not touched: when they still hold trading, this says so and ends with 1.",
    examples: [
      'kubectl bellwether resume quickstart --reason "prices agree again"',
      "kubectl bellwether resume -r test --dry-run",
    ],
  },
  "reset-breaker": {
    positionals: ["TYPE", "POLICY?"],
    options: ["reason", "dry-run", "account", "strategy"],
    required: ["reason"],
    summary: "arm a tripped circuit breaker again",
    description:
      "TYPE: RapidLoss, Drawdown, ConsecutiveLosses, VolatilitySpike, GasSpike, VenueStale, RejectRate, PriceDeviation. Drawdown is armed again in no other way.",
    examples: ['kubectl bellwether reset-breaker Drawdown quickstart --reason "loss understood, size halved"'],
  },
  adopt: {
    positionals: ["ACCOUNT", "POLICY?"],
    options: ["reason", "dry-run", "yes"],
    required: ["reason"],
    summary: "take the venue's balances for true after a drift",
    description:
      "Shows in which assets journal and venue differ. With --yes the difference is booked to the sub-account `unassigned`, if the numbers are still the ones shown. " +
      "What orders in the send log explain is never adopted: it settles by itself.",
    examples: [
      "kubectl bellwether adopt main quickstart --reason look --dry-run",
      'kubectl bellwether adopt main -r "deposit of Monday" --yes',
    ],
  },
  orders: {
    positionals: ["STRATEGY?"],
    options: ["policy", "open", "limit"],
    required: [],
    summary: "orders of a policy or of one strategy, newest first",
    description: "Each with the intent it came from: `why` tells the rest.",
    examples: [
      "kubectl bellwether orders",
      "kubectl bellwether orders btc-momentum --open",
      "kubectl bellwether orders --limit 200 -o json",
    ],
  },
  why: {
    positionals: ["INTENT"],
    options: ["policy"],
    required: [],
    summary: "why an intent became an order, or none",
    description:
      "INTENT is an intent id or a client order id, as `orders` shows them. Prints what was asked for, the rules with their numbers, the sizes, the approvals, the order and its fills.",
    examples: ["kubectl bellwether why 6f1c…/1/1641384000000/0", "kubectl bellwether why 0f3b9a… -o json"],
  },
};
