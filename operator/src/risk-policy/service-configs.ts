/** config.json of the risk pod and of each account's broker, from a RiskPolicy. Pure. */
import { type BrokerConfigInput, brokerConfig } from "@bellwether/broker/config";
import {
  type RiskAccount,
  type RiskPolicy,
  type Strategy,
  durationMs,
  effectivePaperAccount,
  effectiveStrategySpec,
  marketDataOf,
} from "@bellwether/crds";
import { type RiskConfigInput, riskConfig } from "@bellwether/risk/config";
import { brokerName, riskName, subjectOf } from "../child-name.ts";
import { API_PORT, namespaceOf, uidOf } from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { DATASET_DIRECTORY, type Rendered, rendered } from "../rendered-config.ts";
import { POSTGRES_DIRECTORY, VALKEY_DIRECTORY } from "../service-objects.ts";

export const DATA_DIRECTORY = "/var/lib/bellwether";
export const CREDENTIALS_DIRECTORY = "/var/run/secrets/bellwether/venue";

export const ALERTS_DIRECTORY = "/var/run/secrets/bellwether/alerts";

/** Bounds of the broker's own schema. */
const mostMarkets = 64;

export interface PolicyIdentity {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

export interface ConfigSource {
  readonly policy: RiskPolicy;
  readonly issuer: string;
  readonly config: OperatorConfig;
}

export function riskConfigText({ policy, issuer, config }: ConfigSource): Rendered {
  const namespace = namespaceOf(policy);
  const webhook = policy.spec.alerts?.webhookUrlSecretRef;
  const input: RiskConfigInput = {
    policy: identityOf(policy),
    operatorSubject: subjectOf(config.namespace, config.serviceAccountName),
    controllers: [subjectOf(config.namespace, config.cliServiceAccountName)],
    issuer,
    dsnFile: `${POSTGRES_DIRECTORY}/${config.postgres.riskDsnKey}`,
    ...(config.valkey.enabled && { redisUrlFile: `${VALKEY_DIRECTORY}/${config.valkey.urlKey}` }),
    brokers: policy.spec.accounts.map(({ name }) => ({
      account: name,
      baseUrl: `http://${brokerName(policy.metadata.name, name)}.${namespace}.svc:${API_PORT}`,
    })),
    ...(webhook && { webhookUrlFile: `${ALERTS_DIRECTORY}/${webhook.key}` }),
    ...(webhook && config.networkPolicies.enabled && { webhookPorts: config.networkPolicies.webhookPorts }),
    logLevel: config.logLevel,
  };
  return rendered(riskConfig.safeParse(input));
}

export interface Market {
  readonly symbol: string;
  readonly timeframe: string;
}

export interface Trade {
  readonly account: RiskAccount;
  /** Strategies of the policy. */
  readonly strategies: readonly Strategy[];
  /** Markets that the broker serves now. */
  readonly served: readonly Market[];
}

export function brokerConfigText({ policy, issuer, config }: ConfigSource, trade: Trade): Rendered {
  const { account } = trade;
  const input: BrokerConfigInput = {
    policy: identityOf(policy),
    account: accountOf(account, policy),
    markets: marketsOf(policy, trade).slice(0, mostMarkets),
    hardCaps: { ...account.hardCaps },
    riskSubject: subjectOf(namespaceOf(policy), riskName(policy.metadata.name)),
    issuer,
    dsnFile: `${POSTGRES_DIRECTORY}/${config.postgres.brokerDsnKey}`,
    dataDirectory: DATA_DIRECTORY,
    logLevel: config.logLevel,
  };
  return rendered(brokerConfig.safeParse(input));
}

function identityOf(policy: RiskPolicy): PolicyIdentity {
  return { uid: uidOf(policy), name: policy.metadata.name, namespace: namespaceOf(policy) };
}

/**
 * Every market and timeframe that a strategy of the account trades on, each once, in a stable order. A new one restarts the broker. Those that
 * nobody trades on any more stay until something else restarts it: a deleted strategy must not interrupt the others. Only a file that stands
 * for "the single market of the account" leaves no room for them.
 */
function marketsOf(policy: RiskPolicy, { account, strategies, served }: Trade): Market[] {
  const wanted = new Map<string, Market>();
  for (const strategy of strategies) {
    const { riskPolicyRef, mode } = effectiveStrategySpec(strategy.spec);
    const isHere = strategy.metadata.namespace === policy.metadata.namespace && riskPolicyRef.name === policy.metadata.name;
    if (!isHere || riskPolicyRef.account !== account.name || mode === "Backtest") continue;
    for (const { symbol, timeframe } of strategy.spec.markets) wanted.set(`${symbol} ${timeframe}`, { symbol, timeframe });
  }
  const known = new Map(served.map(({ symbol, timeframe }) => [`${symbol} ${timeframe}`, { symbol, timeframe }]));
  const isNew = [...wanted.keys()].some((key) => !known.has(key));
  const markets = isNew || standsForOneMarket(account) ? wanted : known;
  return [...markets.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, market]) => market);
}

function standsForOneMarket(account: RiskAccount): boolean {
  const market = marketDataOf(account);
  return market?.kind === "replay" && market.dataset.source.kind !== "synthetic" && market.dataset.symbol === undefined;
}

/** The markets in a broker's config.json; none where there is no such file, or one that this version cannot read. */
export function servedMarkets(configText: string | undefined): Market[] {
  if (configText === undefined) return [];
  try {
    return brokerConfig.safeParse(JSON.parse(configText)).data?.markets ?? [];
  } catch {
    return []; // Somebody's hand was in it; it is written anew.
  }
}

function accountOf(account: RiskAccount, policy: RiskPolicy): BrokerConfigInput["account"] {
  const { referencePrice } = account;
  return { ...kindOf(account, policy), ...(referencePrice && { reference: referenceOf(referencePrice) }) };
}

function kindOf(account: RiskAccount, policy: RiskPolicy): BrokerConfigInput["account"] {
  const { name, paper, ccxt, solana } = account;
  if (paper) return { name, paper: { ...paperOf(paper), market: marketOf(account) } };
  if (solana) return { name, solana: { ...solanaOf(solana, policy), market: marketOf(account) } };
  if (!ccxt) throw new TypeError(`account ${name} of no kind passed validation`);
  const { exchange, sandbox, baseUrl } = ccxt;
  const optional = { ...(sandbox !== undefined && { sandbox }), ...(baseUrl !== undefined && { baseUrl }) };
  return { name, ccxt: { exchange, ...optional, credentialsDirectory: CREDENTIALS_DIRECTORY } };
}

/** The broker's own defaults hold for what is left out. */
function referenceOf({
  ccxt,
  pyth,
}: NonNullable<RiskAccount["referencePrice"]>): NonNullable<BrokerConfigInput["account"]["reference"]> {
  if (ccxt) return { ccxt: { exchange: ccxt.exchange, ...(ccxt.baseUrl !== undefined && { baseUrl: ccxt.baseUrl }) } };
  if (!pyth) throw new TypeError("a second source of no kind passed validation");
  const { accounts, maxAge, maxConfidenceRatio } = pyth;
  const maxAgeMs = maxAge === undefined ? undefined : durationMs(maxAge);
  return {
    pyth: { accounts: accounts.map((account) => ({ ...account })), ...defined({ maxAgeMs, maxConfidenceRatio }) },
  };
}

function paperOf(paper: NonNullable<RiskAccount["paper"]>): Omit<NonNullable<BrokerConfigInput["account"]["paper"]>, "market"> {
  const { balances, feeBps, slippageBps, volumeShareRatio } = effectivePaperAccount(paper);
  return {
    balances: balances.map(({ asset, amount }) => ({ asset, amount })),
    feeBps,
    slippageBps,
    volumeShare: volumeShareRatio,
  };
}

/** The broker's own defaults hold for what is left out. */
function solanaOf(
  { rpcUrls, genesisHash, programAllowList, tokens, destinations, swap, dailyFeeLamports }: NonNullable<RiskAccount["solana"]>,
  { spec: { gas } }: RiskPolicy,
): Omit<NonNullable<BrokerConfigInput["account"]["solana"]>, "market"> {
  const { maxPriorityFeeMicroLamports, maxFeeLamportsPerTransaction } = gas ?? {};
  return {
    rpcUrls: [...rpcUrls],
    genesisHash,
    programAllowList: [...programAllowList],
    ...(tokens && { tokens: tokens.map((token) => ({ ...token })) }),
    ...(destinations && { destinations: [...destinations] }),
    ...(swap && { swap: defined(swap) }),
    fees: defined({ maxPriorityFeeMicroLamports, maxFeeLamportsPerTransaction, dailyFeeLamports }),
    credentialsDirectory: CREDENTIALS_DIRECTORY,
  };
}

/** Members that are given; a schema's default holds only for what is absent. */
function defined<T extends object>(members: T): { [Member in keyof T]: NonNullable<T[Member]> } {
  const given = Object.entries(members).filter(([, member]) => member !== undefined);
  return Object.fromEntries(given) as { [Member in keyof T]: NonNullable<T[Member]> };
}

function marketOf(account: RiskAccount): NonNullable<BrokerConfigInput["account"]["paper"]>["market"] {
  const market = marketDataOf(account);
  if (!market) throw new TypeError(`account ${account.name} has its venue's own prices`);
  if (market.kind === "ccxt") {
    const { exchange, baseUrl } = market;
    return { ccxt: { exchange, ...(baseUrl !== undefined && { baseUrl }) } };
  }
  const { source, symbol, volumeUnit, gaps } = market.dataset;
  const dataset = source.kind === "synthetic" ? { synthetic: { seed: source.seed } } : { file: datasetFile(source) };
  return { replay: { dataset, ...(symbol !== undefined && { symbol }), volumeUnit, gaps, speed: market.speed } };
}

function datasetFile(source: { kind: "configMap"; key: string } | { kind: "volume"; path: string } | { kind: "ccxt" }): string {
  switch (source.kind) {
    case "configMap":
      return `${DATASET_DIRECTORY}/${source.key}`;
    case "volume":
      return `${DATASET_DIRECTORY}/${source.path}`;
    case "ccxt":
      // Named here so that the broker says that there is no such file: a replay of an exchange's history is to be downloaded first.
      return `${DATASET_DIRECTORY}/not-downloaded`;
  }
}
