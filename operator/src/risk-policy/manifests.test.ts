import { describe, expect, test } from "vitest";
import { brokerConfig } from "@bellwether/broker/config";
import type { RiskPolicy } from "@bellwether/crds";
import { riskConfig } from "@bellwether/risk/config";
import { milliCores } from "../ledger/pod-cpus.ts";
import { testConfig, testPolicy, testStrategy } from "../testing/objects.ts";
import { networkPolicies } from "./network-policies.ts";
import { type Observed, plan } from "./plan.ts";
import { riskConfigText } from "./service-configs.ts";

interface Child {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly object[];
  readonly spec?: {
    readonly persistentVolumeClaimRetentionPolicy?: object;
    readonly volumeClaimTemplates?: readonly object[];
    readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ingress?: readonly object[];
    readonly egress?: readonly object[];
    readonly template?: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly automountServiceAccountToken: boolean;
        readonly containers: readonly {
          readonly resources: { readonly requests: { readonly cpu: string } };
          readonly securityContext: object;
        }[];
        readonly volumes: readonly { readonly secret?: object; readonly name: string }[];
      };
    };
  };
}

const replay = testPolicy().spec.accounts[0]!;
const exchange: RiskPolicy["spec"]["accounts"][number] = {
  name: "live-data",
  paper: {
    balances: [{ asset: "USDT", amount: "1" }],
    market: { ccxt: { exchange: "binance", baseUrl: "http://venue.test:8081" } },
  },
};
const live: RiskPolicy["spec"]["accounts"][number] = {
  name: "live",
  ccxt: { exchange: "binance", baseUrl: "http://venue.test:8082", credentialsSecretRef: { name: "binance-keys" } },
  hardCaps: { maxOrderNotional: "500" },
  referencePrice: { ccxt: { exchange: "kraken", baseUrl: "http://second.test:8083" } },
};
const solana: RiskPolicy["spec"]["accounts"][number] = {
  name: "sol",
  solana: {
    rpcUrls: ["http://rpc.test:8899", "https://rpc.example"],
    keypairSecretRef: { name: "wallet" },
    programAllowList: ["11111111111111111111111111111111"],
    genesisHash: "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    dailyFeeLamports: 7_000_000,
  },
  referencePrice: {
    pyth: { accounts: [{ market: "SOL/USDC", address: "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE" }], maxAge: "30s" },
  },
};

function children(policy: RiskPolicy, fields: Partial<Observed> = {}): Child[] {
  const decided = plan({
    policy,
    strategies: [],
    tokens: { issuer: "https://issuer", jwks: '{"keys":[]}\n' },
    brokerConfigs: new Map(),
    pods: [],
    word: { heard: false, reason: "RiskNotReady", message: "" },
    config: testConfig(),
    nowMs: 0,
    ...fields,
  });
  return (decided.children ?? []) as unknown as Child[];
}
const named = (all: readonly Child[], kind: string, name: string): Child =>
  all.find((child) => child.kind === kind && child.metadata.name === name)!;

describe("the children of a RiskPolicy", () => {
  const all = children(testPolicy({ accounts: [replay, exchange] }), {
    strategies: [
      testStrategy("b", { markets: [{ symbol: "ETH/USDT", timeframe: "5m" }] }),
      testStrategy("a"),
      testStrategy("past", { mode: "Backtest", markets: [{ symbol: "SOL/USDT", timeframe: "1m" }] }),
    ],
  });

  test("are one risk and a broker for each account", () => {
    const sets = all.filter(({ kind }) => kind === "StatefulSet").map(({ metadata }) => metadata.name);
    expect(sets).toEqual(["rpol-main-risk", "rpol-main-broker-paper", "rpol-main-broker-live-data"]);
  });

  test("carry configurations that their readers parse", () => {
    const risk = riskConfig.parse(JSON.parse(named(all, "ConfigMap", "rpol-main-risk").data!["config.json"]!));
    expect(risk).toMatchObject({
      policy: { uid: "uid-main", name: "main", namespace: "demo" },
      operatorSubject: "system:serviceaccount:bellwether:bellwether-operator",
      controllers: ["system:serviceaccount:bellwether:bellwether-cli"],
      issuer: "https://issuer",
      brokers: [
        { account: "paper", baseUrl: "http://rpol-main-broker-paper.demo.svc:8080" },
        { account: "live-data", baseUrl: "http://rpol-main-broker-live-data.demo.svc:8080" },
      ],
    });
    const broker = brokerConfig.parse(JSON.parse(named(all, "ConfigMap", "rpol-main-broker-paper").data!["config.json"]!));
    expect(broker).toMatchObject({
      riskSubject: "system:serviceaccount:demo:rpol-main-risk",
      account: {
        name: "paper",
        paper: { feeBps: "10", volumeShare: "0.10", market: { replay: { dataset: { synthetic: { seed: 7 } }, speed: 60 } } },
      },
      markets: [
        { symbol: "BTC/USDT", timeframe: "1m" },
        { symbol: "ETH/USDT", timeframe: "5m" },
      ],
    });
  });

  test("let risk read its own policy by name, and nothing else", () => {
    expect(named(all, "Role", "rpol-main-risk").rules).toEqual([
      { apiGroups: ["bellwether.dev"], resources: ["riskpolicies"], resourceNames: ["main"], verbs: ["get", "list", "watch"] },
    ]);
  });

  test("give a token of the API server to risk alone", () => {
    const mounts = all
      .filter(({ kind }) => kind === "StatefulSet")
      .map(({ spec }) => spec!.template!.spec.automountServiceAccountToken);
    expect(mounts).toEqual([true, false, false]);
  });

  test("are small: 100m each", () => {
    const requests = all
      .filter(({ kind }) => kind === "StatefulSet")
      .map(({ spec }) => milliCores(spec!.template!.spec.containers[0]!.resources.requests.cpu));
    expect(requests).toEqual([100, 100, 100]);
  });

  test("keep the send log on a volume of their own, or in the pod where the configuration says so", () => {
    expect(named(all, "StatefulSet", "rpol-main-broker-paper").spec!.volumeClaimTemplates).toMatchObject([
      { metadata: { name: "data" } },
    ]);
    const tried = children(testPolicy(), { config: testConfig({ brokerVolume: { kind: "EmptyDir" } }) });
    const set = named(tried, "StatefulSet", "rpol-main-broker-paper").spec!;
    expect(set.volumeClaimTemplates).toBeUndefined();
    expect(set.template!.spec.volumes).toContainEqual({ name: "data", emptyDir: {} });
  });

  test("restart a broker for a new market, and nothing else for it", () => {
    const hash = (strategies: Observed["strategies"], name: string): string =>
      named(children(testPolicy(), { strategies }), "StatefulSet", name).spec!.template!.metadata.annotations[
        "bellwether.dev/config-hash"
      ]!;
    const more = [testStrategy("a"), testStrategy("b", { markets: [{ symbol: "ETH/USDT", timeframe: "1m" }] })];
    expect(hash(more, "rpol-main-broker-paper")).not.toBe(hash([testStrategy("a")], "rpol-main-broker-paper"));
    expect(hash(more, "rpol-main-risk")).toBe(hash([testStrategy("a")], "rpol-main-risk"));
    expect(hash([testStrategy("a"), testStrategy("b")], "rpol-main-broker-paper")).toBe(
      hash([testStrategy("a")], "rpol-main-broker-paper"),
    );
  });

  test("do not restart a broker for a strategy that was deleted, until another market comes", () => {
    const textOf = (strategies: Observed["strategies"], brokerConfigs = new Map<string, string>()): string =>
      named(children(testPolicy(), { strategies, brokerConfigs }), "ConfigMap", "rpol-main-broker-paper").data!["config.json"]!;
    const eth = testStrategy("b", { markets: [{ symbol: "ETH/USDT", timeframe: "1m" }] });
    const both = textOf([testStrategy("a"), eth]);
    expect(textOf([testStrategy("a")], new Map([["paper", both]]))).toBe(both);
    const sol = testStrategy("c", { markets: [{ symbol: "SOL/USDT", timeframe: "1m" }] });
    const markets = brokerConfig.parse(JSON.parse(textOf([testStrategy("a"), sol], new Map([["paper", both]])))).markets;
    expect(markets.map(({ symbol }) => symbol)).toEqual(["BTC/USDT", "SOL/USDT"]);
  });

  test("are not restarted by new signing keys", () => {
    const template = (jwks: string): object =>
      named(children(testPolicy(), { tokens: { issuer: "https://issuer", jwks } }), "StatefulSet", "rpol-main-risk").spec!
        .template!;
    expect(template("new")).toEqual(template("old"));
  });
});

describe("an account at a venue", () => {
  const all = children(testPolicy({ accounts: [live, solana], gas: { maxPriorityFeeMicroLamports: 5_000 } }));
  const podOf = (account: string) => named(all, "StatefulSet", `rpol-main-broker-${account}`).spec!.template!.spec;

  test("gives its keys to its own broker as files, only those that are documented, and lets the pod start without them", () => {
    const secretOf = (account: string) => podOf(account).volumes.find(({ name }) => name === "credentials");
    const items = ["apiKey", "secret", "password"].map((key) => ({ key, path: key }));
    expect(secretOf("live")).toEqual({
      name: "credentials",
      secret: { secretName: "binance-keys", items, optional: true, defaultMode: 0o440 },
    });
    expect(secretOf("sol")).toMatchObject({ secret: { secretName: "wallet", items: [{ key: "keypair", path: "keypair" }] } });
    const elsewhere = all.filter(({ kind, metadata }) => kind === "StatefulSet" && metadata.name === "rpol-main-risk");
    expect(JSON.stringify(elsewhere)).not.toMatch(/binance-keys|wallet/);
  });

  test("tells its broker where the venue is and what it may do there", () => {
    const configOf = (account: string) =>
      brokerConfig.parse(JSON.parse(named(all, "ConfigMap", `rpol-main-broker-${account}`).data!["config.json"]!));
    expect(configOf("live")).toMatchObject({
      account: { ccxt: { exchange: "binance", baseUrl: "http://venue.test:8082" } },
      hardCaps: { maxOrderNotional: "500" },
    });
    expect(configOf("sol").account.solana).toMatchObject({
      rpcUrls: solana.solana!.rpcUrls,
      genesisHash: solana.solana!.genesisHash,
      programAllowList: solana.solana!.programAllowList,
      market: { ccxt: { exchange: "binance" } },
      fees: { maxPriorityFeeMicroLamports: 5_000, dailyFeeLamports: 7_000_000 },
      swap: { slippageBps: 50 },
    });
    expect(configOf("live").account.reference).toEqual({ ccxt: { exchange: "kraken", baseUrl: "http://second.test:8083" } });
    const accounts = [{ market: "SOL/USDC", address: "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE" }];
    expect(configOf("sol").account.reference).toEqual({ pyth: { accounts, maxAgeMs: 30_000, maxConfidenceRatio: "0.01" } });
  });

  test("is the only one with a way to its venue", () => {
    const ways = networkPolicies(testPolicy({ accounts: [live, solana] }), testConfig()) as unknown as Child[];
    const portsOf = (name: string) =>
      ways
        .filter(({ metadata }) => metadata.name === name)
        .flatMap(({ spec }) => spec!.egress as { to?: { ipBlock?: object }[]; ports: { port: number }[] }[])
        .filter(({ to }) => to?.some(({ ipBlock }) => ipBlock !== undefined))
        .flatMap(({ ports }) => ports.map(({ port }) => port));
    expect(portsOf("rpol-main-broker-live")).toEqual([443, 8082, 8083]);
    expect(portsOf("rpol-main-broker-sol")).toEqual([443, 8899, 8900]);
    expect(portsOf("rpol-main-agents")).toEqual([]);
    expect(portsOf("rpol-main-risk")).toEqual([443, 6443]);
  });
});

describe("a policy that names a webhook", () => {
  const policy = testPolicy({ alerts: { webhookUrlSecretRef: { name: "alerts", key: "slack-url" } } });
  const all = children(policy);

  test("mounts the one key into risk alone, and starts without the Secret", () => {
    const volumesOf = (name: string) =>
      named(all, "StatefulSet", name).spec!.template!.spec.volumes.flatMap(({ secret }) => (secret ? [secret] : []));
    const webhook = { secretName: "alerts", items: [{ key: "slack-url", path: "slack-url" }], optional: true };
    expect(volumesOf("rpol-main-risk")).toContainEqual(expect.objectContaining(webhook));
    expect(volumesOf("rpol-main-broker-paper")).not.toContainEqual(expect.objectContaining({ secretName: "alerts" }));
    const config = riskConfig.parse(JSON.parse(named(all, "ConfigMap", "rpol-main-risk").data!["config.json"]!));
    expect(config).toMatchObject({ webhookUrlFile: "/var/run/secrets/bellwether/alerts/slack-url", webhookPorts: [443] });
  });

  test("gives risk a way to it, which others do not have", () => {
    const waysOf = (of: RiskPolicy): number =>
      (networkPolicies(of, testConfig()) as unknown as Child[]).find(({ metadata }) => metadata.name === "rpol-main-risk")!.spec!
        .egress!.length;
    expect(waysOf(policy) - waysOf(testPolicy())).toBe(1);
  });

  test("opens the ports that risk is told it can reach", () => {
    const config = testConfig({ networkPolicies: { webhookPorts: [443, 8443] } });
    const risk = (networkPolicies(policy, config) as unknown as Child[]).find(
      ({ metadata }) => metadata.name === "rpol-main-risk",
    )!;
    expect(risk.spec!.egress!.at(-1)).toMatchObject({ ports: [443, 8443].map((port) => ({ protocol: "TCP", port })) });
    const source = { policy, issuer: "https://issuer.test", config };
    expect(riskConfigText(source)).toMatchObject({
      ok: true,
      text: expect.stringMatching(/"webhookPorts": \[\s*443,\s*8443\s*\]/),
    });
    const open = testConfig({ networkPolicies: { enabled: false } });
    expect(riskConfigText({ ...source, config: open })).toMatchObject({
      ok: true,
      text: expect.not.stringContaining("webhookPorts"),
    });
  });
});

describe("the ways between them", () => {
  const ways = networkPolicies(testPolicy({ accounts: [replay, exchange] }), testConfig()) as unknown as Child[];
  const way = (role: string): NonNullable<Child["spec"]> =>
    ways.find(({ metadata }) => metadata.name === `rpol-main-${role}`)!.spec!;

  test("select every pod of the policy once", () => {
    expect(ways.map(({ metadata }) => metadata.name)).toEqual([
      "rpol-main-agents",
      "rpol-main-backtests",
      "rpol-main-risk",
      "rpol-main-broker-paper",
      "rpol-main-broker-live-data",
    ]);
  });

  test("are closed to a backtest in both directions", () => {
    expect(way("backtests")).toMatchObject({ ingress: [], egress: [] });
  });

  test("lead an agent to risk and to names, and nowhere else", () => {
    expect(way("agents").egress).toEqual([
      {
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
      {
        to: [{ podSelector: { matchLabels: { "app.kubernetes.io/component": "risk", "bellwether.dev/riskpolicy": "main" } } }],
        ports: [{ protocol: "TCP", port: 8080 }],
      },
    ]);
  });

  test("lead a broker out only where its market data is at an exchange", () => {
    expect(JSON.stringify(way("broker-paper").egress)).not.toContain("ipBlock");
    expect(way("broker-live-data").egress).toContainEqual({
      to: [{ ipBlock: { cidr: "0.0.0.0/0" } }],
      ports: [
        { protocol: "TCP", port: 443 },
        { protocol: "TCP", port: 8081 },
      ],
    });
  });
});
