import { describe, expect, test } from "vitest";
import { type BrokerConfigInput, brokerConfig, renderBrokerConfig } from "./config.ts";

const base: BrokerConfigInput = {
  policy: { uid: "11111111-2222-3333-4444-555555555555", name: "demo", namespace: "bellwether" },
  account: {
    name: "paper",
    paper: {
      balances: [{ asset: "USDT", amount: "10000" }],
      feeBps: 10,
      market: { replay: { dataset: { synthetic: { seed: 7 } }, speed: 60 } },
    },
  },
  riskSubject: "system:serviceaccount:bellwether:rpol-demo-risk",
  issuer: "https://kubernetes.default.svc.cluster.local",
};

const genesisHash = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
const solPrice = { market: "SOL/USDC", address: "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE" };

describe("the broker's configuration", () => {
  test("a rendered file is accepted again and is the same bytes", () => {
    const text = renderBrokerConfig(base);
    expect(renderBrokerConfig(JSON.parse(text) as BrokerConfigInput)).toBe(text);
  });

  test("basis points may be written as a number and are text inside", () => {
    expect(brokerConfig.parse(base).account.paper).toMatchObject({ feeBps: "10", slippageBps: "5", volumeShare: "0.1" });
  });

  test("a wallet may be checked by an oracle, any account by another exchange", () => {
    const oracle = brokerConfig.parse({ ...base, ...walletWith({ reference: { pyth: { accounts: [solPrice] } } }) });
    expect(oracle.account.reference).toEqual({
      pyth: { accounts: [solPrice], maxAgeMs: 60_000, maxConfidenceRatio: "0.01" },
    });
    const exchange = brokerConfig.parse({ ...base, ...accountWith({ reference: { ccxt: { exchange: "kraken" } } }) });
    expect(exchange.account.reference).toEqual({ ccxt: { exchange: "kraken" } });
  });

  test.each([
    { when: "no kind of account", change: { account: { name: "paper" } }, path: "account" },
    {
      when: "a speed above 3600",
      change: paperWith({ market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: 3601 } } }),
      path: "account.paper.market.replay.speed",
    },
    { when: "an asset twice", change: paperWith({ balances: [usdt("1"), usdt("2")] }), path: "account.paper.balances" },
    { when: "a fee of 100 %", change: paperWith({ feeBps: "10000" }), path: "account.paper.feeBps" },
    { when: "a negative balance", change: paperWith({ balances: [usdt("-1")] }), path: "account.paper.balances.0.amount" },
    {
      when: "an oracle on chain for an account without a wallet",
      change: accountWith({ reference: { pyth: { accounts: [solPrice] } } }),
      path: "account",
    },
    {
      when: "two prices of one market",
      change: walletWith({ reference: { pyth: { accounts: [solPrice, solPrice] } } }),
      path: "account.reference.pyth.accounts",
    },
    { when: "an unknown field", change: { shell: "/bin/sh" }, path: "" },
  ])("refuses $when at $path", ({ change, path }) => {
    const result = brokerConfig.safeParse({ ...base, ...change });
    expect(result.error?.issues[0]?.path.join(".")).toBe(path);
  });
});

function accountWith(change: object): object {
  return { account: { ...base.account, ...change } };
}

function walletWith(change: object): object {
  return { account: { name: "wallet", solana: { rpcUrls: ["https://rpc.example"], genesisHash }, ...change } };
}

function usdt(amount: string): { asset: string; amount: string } {
  return { asset: "USDT", amount };
}

function paperWith(change: object): object {
  return { account: { name: "paper", paper: { ...base.account.paper, ...change } } };
}
